"""LAION-5B: a model and a threshold for English, another for the other languages."""

import itertools

import pytest

from curation_assets.filters.laion_5b import laion_5b
from tests.filters.shorthands import passes


@pytest.fixture
def entries() -> list[object]:
    # Any numeric column stands for the multilingual model's score, which only a recipe with two encoders has.
    return laion_5b(multilingual_score="caption_language_probability")


def test_every_combination(entries: list[object]):
    kept = 0
    for language, english, other in itertools.product(("en", "de", "und"), (0.27, 0.28), (0.25, 0.26)):
        row = {"caption_language_cld3": language, "clip_score": english, "caption_language_probability": other}
        expected = english >= 0.28 if language == "en" else other >= 0.26
        assert passes(entries, row) == expected
        kept += expected
    assert kept == 6


@pytest.mark.parametrize(
    ("language", "english", "other", "expected"),
    [
        (None, 0.9, 0.9, False),  # neither English nor not English
        ("en", 0.9, None, True),
        ("de", None, 0.9, True),
        ("de", 0.9, None, False),
    ],
)
def test_what_is_missing(entries: list[object], language: str | None, english: float | None, other: float, expected: bool):
    row = {"caption_language_cld3": language, "clip_score": english, "caption_language_probability": other}
    assert passes(entries, row) == expected


def test_columns_and_thresholds_are_settings():
    (rule,) = laion_5b(clip_score="a", multilingual_score="b", min_score=0.1, min_multilingual_score=0.2)
    english, other = rule["any"]
    assert english["all"][1] == {"a": {"min": 0.1}}
    assert other["all"][1] == {"b": {"min": 0.2}}
