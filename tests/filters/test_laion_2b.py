"""LAION-2B: English by CLD3 and image-text agreement, both."""

import pytest

from curation_assets.filters.laion_2b import laion_2b
from tests.filters.shorthands import passes


@pytest.mark.parametrize(
    ("language", "score", "expected"),
    [
        ("en", 0.28, True),
        ("en", 0.279, False),
        ("de", 0.5, False),
        ("und", 0.5, False),
        (None, 0.5, False),
        ("en", None, False),
    ],
)
def test_rows_that_are_kept(language: str | None, score: float | None, expected: bool):
    assert passes(laion_2b(), {"caption_language_cld3": language, "clip_score": score}) == expected


def test_another_score_and_threshold():
    english, agreement = laion_2b(clip_score="clip_b32_similarity_score", min_score=0.2)
    assert english == "english_caption_cld3"
    assert agreement == {"clip_b32_similarity_score": {"min": 0.2}}
