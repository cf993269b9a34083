"""Shorter side and shape."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.scores.image_size import image_size

sides = st.integers(1, 2**31 - 1)


def test_sizes_on_paper():
    found = image_size(np.int32([600, 200, 5]), np.int32([200, 600, 5]))
    assert found["min_side_px"].tolist() == [200, 200, 5]
    assert found["aspect_ratio"].tolist() == [3.0, 3.0, 1.0]


@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=5))
def test_against_exact_fractions(pairs: list[tuple[int, int]]):
    width, height = np.array(pairs, np.int32).T
    found = image_size(width, height)
    assert found["min_side_px"].dtype == np.int32
    assert found["min_side_px"].tolist() == [min(pair) for pair in pairs]
    assert found["aspect_ratio"].tolist() == [float(Fraction(max(pair), min(pair))) for pair in pairs]
    turned = image_size(height, width)
    assert all(np.array_equal(found[name], turned[name]) for name in found)


@given(st.integers(1, 10_000), st.integers(1, 9))
def test_a_whole_ratio_is_exact(side: int, ratio: int):
    # max_aspect_ratio 3.0 includes 3.0, so that 3.0 must not come out as 3.0000000000000004.
    assert image_size(np.int32([side * ratio]), np.int32([side]))["aspect_ratio"].tolist() == [ratio]
