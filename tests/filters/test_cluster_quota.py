"""Quotas of clusters: the rows of the best ranks, smaller clusters whole."""

import numpy as np
import pytest

from curation_assets.filters.cluster_quota import cluster_quota
from curation_assets.scores.cluster_rank import cluster_rank
from curation_assets.spec import Condition


def test_conditions():
    assert cluster_quota(most=3) == (Condition("cluster_rank", "<=", 2),)
    assert cluster_quota(most=3, prefer="random") == (Condition("cluster_rank_random", "<=", 2),)


@pytest.mark.parametrize("n", [1, 3, 4, 50])
def test_the_most_preferred_rows_stay(n: int):
    preference = np.random.default_rng(n).permutation(n).astype(float)
    (condition,) = cluster_quota(most=3)
    kept = cluster_rank(preference, np.arange(n), np.zeros(n, int))["cluster_rank"] <= condition.threshold
    assert sorted(preference[kept]) == sorted(preference)[-3:]
