"""Pictures of clusters with target pictures are kept."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.filters.image_based import FILTER, image_based
from curation_assets.keep import Leaf
from curation_assets.spec import Condition


def test_any_target_picture_is_enough_by_default():
    assert image_based() == (Condition("cluster_target_count", ">=", 1),)
    keep = Leaf("image_based", {}, FILTER.version, image_based())
    rows = Rows({"cluster_target_count": pa.array([0, 1, 7, None], pa.int64())}, np.arange(4), np.arange(4))
    assert decide(keep, rows).is_kept.tolist() == [False, True, True, False]


def test_settings_name_the_target_set_and_raise_the_count():
    assert image_based(target="flowers", min_targets=3) == (Condition("cluster_target_count_flowers", ">=", 3),)
