"""Places among equal values against counting, and which copy is the one to keep."""

import numpy as np
import pytest

from curation_assets.scores.url_copies import url_copies


@pytest.mark.parametrize("n", [1, 2, 80])
def test_against_counting(n: int):
    rng = np.random.default_rng(n)
    values = np.empty(n, object)
    values[:] = [f"https://example.org/{value}" for value in rng.integers(0, 9, n).tolist()]
    preference, uid_hi, uid_lo = rng.integers(0, 3, n).astype(float), rng.integers(-2, 2, n), rng.permutation(n)
    order = [(-preference[i], int(uid_hi[i]) % 2**64, int(uid_lo[i])) for i in range(n)]
    found = url_copies(values, preference, uid_hi, uid_lo)
    same = [[j for j in range(n) if values[j] == values[i]] for i in range(n)]
    assert found["url_copies"].tolist() == [sum(order[j] < order[i] for j in same[i]) for i in range(n)]
    assert found["url_group_size"].tolist() == [len(group) for group in same]
    assert (found["url_copies"] == 0).sum() == len(set(values))


def test_of_equally_preferred_copies_the_smaller_uid_is_kept():
    value = "https://example.org/7"
    values = np.array([value] * 3, object)
    found = url_copies(values, np.array([1.0, 1, 2]), np.array([-1, 5, -1]), np.zeros(3, np.int64))
    assert found["url_copies"].tolist() == [2, 1, 0]
