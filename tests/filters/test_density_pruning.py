"""Rows within their cluster's quota are kept."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.filters.density_pruning import FILTER, density_pruning
from curation_assets.keep import Leaf


def test_rows_below_the_quota_stay():
    keep = Leaf("density_pruning", {}, FILTER.version, density_pruning())
    rows = Rows({"density_excess": pa.array([-2, -1, 0, 1, None], pa.int32())}, np.arange(5), np.arange(5))
    assert decide(keep, rows).is_kept.tolist() == [True, True, False, False, False]


def test_an_instance_has_its_own_column():
    assert density_pruning(instance="tenth")[0].column == "density_excess_tenth"
