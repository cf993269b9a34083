"""Places among equal uids against counting."""

import numpy as np
import pytest

from curation_assets.scores.uid_copies import uid_copies


@pytest.mark.parametrize("n", [1, 2, 80])
def test_against_counting(n: int):
    rng = np.random.default_rng(n)
    hi, lo, age = rng.integers(-3, 3, n), rng.integers(-3, 3, n), rng.permutation(n)
    found = uid_copies(-age.astype(float), hi, lo)
    same = [[j for j in range(n) if (hi[j], lo[j]) == (hi[i], lo[i])] for i in range(n)]
    assert found["uid_copies"].tolist() == [sum(age[j] < age[i] for j in same[i]) for i in range(n)]
    assert found["uid_group_size"].tolist() == [len(group) for group in same]


def test_halves_are_not_mixed_up():
    assert uid_copies(np.zeros(2), np.array([1, 2]), np.array([2, 1]))["uid_group_size"].tolist() == [1, 1]
