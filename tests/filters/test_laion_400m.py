"""LAION-400M's threshold, on any score that the recipe names."""

import pytest

from curation_assets.filters.laion_400m import laion_400m
from tests.filters.shorthands import passes


@pytest.mark.parametrize(("score", "expected"), [(0.30, True), (0.299, False), (None, False)])
def test_rows_that_are_kept(score: float | None, expected: bool):
    assert passes(laion_400m(), {"clip_score": score}) == expected


def test_another_score_and_threshold():
    assert laion_400m(clip_score="clip_b32_similarity_score", min_score=0.2) == [{"clip_b32_similarity_score": {"min": 0.2}}]
