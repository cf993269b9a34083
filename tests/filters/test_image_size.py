"""Images that are neither tiny nor strips: both bounds pass, as in DataComp's code and not as in its text."""

import numpy as np
import pytest

from curation_assets.filters.image_size import image_size
from curation_assets.scores.image_size import image_size as measured_size
from curation_assets.spec import Condition


def passes(width: int, height: int, **settings: float) -> bool:
    found = measured_size(np.int32([width]), np.int32([height]))
    side, ratio = image_size(**settings)
    return found[side.column][0] >= side.threshold and found[ratio.column][0] <= ratio.threshold


def test_conditions_of_the_defaults():
    assert image_size() == (Condition("min_side_px", ">=", 200), Condition("aspect_ratio", "<=", 3.0))


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(200, 200, True), (199, 500, False), (200, 600, True), (600, 200, True), (200, 601, False), (601, 200, False)],
)
def test_bounds_of_datacomp(width: int, height: int, expected: bool):
    # mlfoundations/datacomp at 4a8df199: min(w, h) >= 200 and max(w, h) / min(w, h) <= 3.0.
    assert passes(width, height) == expected == (min(width, height) >= 200 and max(width, height) / min(width, height) <= 3.0)


def test_settings_move_the_bounds():
    assert passes(64, 64, min_side_px=64)
    assert not passes(64, 65, min_side_px=64, max_aspect_ratio=1.0)
