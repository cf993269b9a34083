"""Fractions of clusters. How many rows a fraction keeps is tested with the ranks."""

import numpy as np

from curation_assets.filters.cluster_fraction import cluster_fraction
from curation_assets.scores.cluster_rank import cluster_rank
from curation_assets.spec import Condition


def test_conditions():
    assert cluster_fraction(fraction=0.25) == (Condition("cluster_rank_share", "<=", 0.25),)
    assert cluster_fraction(fraction=0.25, prefer="easy")[0].column == "cluster_rank_share_easy"


def test_the_reference_rounds_to_the_nearest_and_here_it_is_down():
    # PatrikOkanovic/RS2 at 99edfc8a keeps round(n * f): 4 of 7 at one half; here 3.
    share = cluster_rank(-np.arange(7.0), np.arange(7), np.zeros(7, int))["cluster_rank_share"]
    assert np.flatnonzero(share <= cluster_fraction(fraction=0.5)[0].threshold).tolist() == [0, 1, 2]
