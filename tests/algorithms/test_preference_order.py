"""Order of preference, and rows found by their uid."""

import numpy as np
import pytest

from curation_assets.algorithms.preference_order import preference_order, twin_ranks
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


def test_twins_are_found_by_uid_and_of_equal_uids_the_most_preferred():
    rng = np.random.default_rng(0)
    uids = rng.integers(-3, 3, 80), rng.integers(0, 5, 80)  # some twice
    order = preference_order(rng.integers(0, 4, 80).astype(float), *uids)
    wanted = rng.integers(0, 80, 200)
    expected = [min(order.rank[j] for j in range(80) if (uids[0][j], uids[1][j]) == (uids[0][i], uids[1][i])) for i in wanted]
    assert twin_ranks(order, uids, (uids[0][wanted], uids[1][wanted]), "x").tolist() == expected
    nothing = np.zeros(0, np.int64)
    assert twin_ranks(order, uids, (nothing, nothing), "x").tolist() == []


@pytest.mark.parametrize("missing", [(-1, 5), (0, 0), (3, 3), (9, 9)])
def test_a_uid_that_no_row_has_is_named(missing: tuple[int, int]):
    uids = np.array([0, 3, 7]), np.array([1, 4, 2])
    order = preference_order(np.zeros(3), *uids)
    with pytest.raises(SchemaError, match=f"x: a former twin has the uid {missing[0] % 2**64:016x}{missing[1]:016x}"):
        twin_ranks(order, uids, (np.array([3, missing[0]]), np.array([4, missing[1]])), "x")
