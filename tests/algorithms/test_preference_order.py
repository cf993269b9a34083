"""Order of preference, and rows found by their uid."""

import numpy as np
import pytest

from curation_assets.algorithms.preference_order import preference_order, rows_of_uids
from curation_assets.errors import SchemaError


@pytest.mark.parametrize("n", [1, 2, 50])
def test_against_sorted(n: int):
    rng = np.random.default_rng(n)
    preference, uid_hi, uid_lo = rng.integers(0, 3, n).astype(float), rng.integers(-2, 2, n), rng.permutation(n) - n // 2
    expected = sorted(range(n), key=lambda row: (-preference[row], int(uid_hi[row]) % 2**64, int(uid_lo[row]) % 2**64))
    order = preference_order(preference, uid_hi, uid_lo)
    assert order.rows.tolist() == expected
    assert order.rank[order.rows].tolist() == list(range(n))


def test_infinite_preferences_have_an_order_and_nan_has_none():
    uid = np.arange(3)
    assert preference_order(np.array([-np.inf, np.inf, 0]), uid, uid).rows.tolist() == [1, 2, 0]
    with pytest.raises(SchemaError, match="preference must be a number; row 1 has NaN"):
        preference_order(np.array([0, np.nan, 0]), uid, uid)


def test_rows_are_found_by_uid():
    rng = np.random.default_rng(0)
    uid_hi, uid_lo = rng.integers(-3, 3, 80), rng.permutation(80) - 40
    wanted = rng.integers(0, 80, 200)
    assert rows_of_uids((uid_hi, uid_lo), (uid_hi[wanted], uid_lo[wanted])).tolist() == wanted.tolist()
    nothing = np.zeros(0, np.int64)
    assert rows_of_uids((uid_hi, uid_lo), (nothing, nothing)).tolist() == []


@pytest.mark.parametrize("missing", [(-1, 5), (0, 0), (3, 3), (9, 9)])
def test_a_uid_that_no_row_has_is_named(missing: tuple[int, int]):
    uid = np.array([0, 3, 7]), np.array([1, 4, 2])
    with pytest.raises(SchemaError, match=f"uid {missing[0] % 2**64:016x}{missing[1]:016x} is named as a twin"):
        rows_of_uids(uid, (np.array([3, missing[0]]), np.array([4, missing[1]])))
