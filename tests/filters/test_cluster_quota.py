"""The same number of rows of every cluster."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.filters.cluster_quota import FILTER, cluster_quota
from curation_assets.keep import Leaf
from curation_assets.spec import Condition


def test_the_most_preferred_stay():
    keep = Leaf("cluster_quota", {}, FILTER.version, cluster_quota(most=2, prefer="hard"))
    rows = Rows({"cluster_rank": pa.array([0, 1, 2, 9, None], pa.int32())}, np.arange(5), np.arange(5))
    assert decide(keep, rows).is_kept.tolist() == [True, True, False, False, False]


def test_a_preference_has_its_own_column():
    assert cluster_quota() == (Condition("cluster_rank_random", "<=", 99),)
    assert cluster_quota(most=1, prefer="clip_score") == (Condition("cluster_rank_clip_score", "<=", 0),)
