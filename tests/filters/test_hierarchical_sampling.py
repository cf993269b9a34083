"""Samples within the quota of their cluster are kept."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.filters.hierarchical_sampling import FILTER, hierarchical_sampling
from curation_assets.keep import Leaf
from curation_assets.spec import Condition


def test_what_lies_within_the_quota_is_kept():
    assert hierarchical_sampling() == (Condition("leaf_excess", "<=", -1),)
    keep = Leaf("hierarchical_sampling", {}, FILTER.version, hierarchical_sampling())
    rows = Rows({"leaf_excess": pa.array([0, -1, -7, 5, None], pa.int64())}, np.arange(5), np.arange(5))
    assert decide(keep, rows).is_kept.tolist() == [False, True, True, False, False]


def test_the_instance_names_the_column():
    assert hierarchical_sampling(instance="web") == (Condition("leaf_excess_web", "<=", -1),)
