"""LAION's high-resolution subset: width and height of at least 1024 px."""

import numpy as np
import pytest

from curation_assets.filters.laion_high_resolution import laion_high_resolution
from curation_assets.scores.image_size import image_size


@pytest.mark.parametrize("width", [1023, 1024, 5000])
@pytest.mark.parametrize("height", [1023, 1024, 5000])
def test_both_sides_count(width: int, height: int):
    (condition,) = laion_high_resolution()
    side = image_size(np.int32([width]), np.int32([height]))[condition.column][0]
    assert (side >= condition.threshold) == (width >= 1024 and height >= 1024)
    assert condition.comparison == ">="


def test_the_bound_is_a_setting():
    assert laion_high_resolution(min_side_px=512)[0].threshold == 512
