"""The same fraction of every cluster, whatever its size."""

import math

import numpy as np
import pyarrow as pa
import pytest

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.filters.cluster_fraction import FILTER, cluster_fraction
from curation_assets.keep import Leaf
from curation_assets.scores.cluster_rank import cluster_rank
from curation_assets.spec import Condition


@pytest.mark.parametrize("fraction", [0, 0.07, 0.29, 1 / 3, 0.5, 0.57, 1])
def test_each_cluster_keeps_the_rounded_down_fraction(fraction: float):
    keep = Leaf("cluster_fraction", {}, FILTER.version, cluster_fraction(fraction=fraction))
    for n in (1, 2, 3, 10, 99, 100):
        uid = np.arange(n)
        places = cluster_rank(-uid.astype(float), uid, uid)["cluster_rank_fraction"]
        kept = decide(keep, Rows({"cluster_rank_fraction": pa.array(places)}, uid, uid)).is_kept
        assert np.flatnonzero(kept).tolist() == list(range(math.floor(fraction * n + 1e-9)))


def test_a_preference_has_its_own_column():
    assert cluster_fraction(fraction=0.2, prefer="easy") == (Condition("cluster_rank_fraction_easy", "<=", 0.2),)
