"""The filter that every numeric score has: a range, or an exact fraction."""

import pytest

from curation_assets.errors import SchemaError
from curation_assets.filters.threshold import threshold_filter
from curation_assets.scores import all_scores
from curation_assets.spec import Condition, Fraction, Score

CLIP = all_scores()["clip_score"]
CONDITIONS = threshold_filter(CLIP, "clip_score").conditions


def test_a_range_has_a_condition_for_each_end_that_is_given():
    low, high = Condition("clip_score", ">=", 0.1), Condition("clip_score", "<=", 0.9)
    assert CONDITIONS(min=0.1) == (low,)
    assert CONDITIONS(max=0.9) == (high,)
    assert CONDITIONS(min=0.1, max=0.9) == (low, high)
    assert CONDITIONS(min=0.0) == (Condition("clip_score", ">=", 0.0),), "zero is a threshold"
    assert CONDITIONS(min=0.5, max=0.5) == (Condition("clip_score", ">=", 0.5), Condition("clip_score", "<=", 0.5))


@pytest.mark.parametrize("keep", ["high", "low"])
def test_a_fraction_takes_the_end_that_the_score_calls_best(keep: str):
    score = Score(CLIP.compute, CLIP.columns, CLIP.source, CLIP.version, keep)
    made = threshold_filter(score, "clip_score").conditions
    assert made(top_fraction=0.3) == (Fraction("clip_score", 0.3, keep, "source"),)
    assert made(top_fraction=0.0, over="pool") == (Fraction("clip_score", 0.0, keep, "pool"),), "nothing is a fraction too"


@pytest.mark.parametrize(
    "settings", [{}, {"over": "pool"}, {"min": 0.1, "top_fraction": 0.3}, {"min": 0.1, "max": 0.2, "top_fraction": 0.3}]
)
def test_neither_or_both_are_refused(settings: dict[str, float | str]):
    with pytest.raises(SchemaError, match="clip_score needs either min and/or max, or top_fraction"):
        CONDITIONS(**settings)


def test_parity_is_a_fraction_of_its_own_kind():
    assert CONDITIONS(top_fraction=0.3, parity=True) == (Fraction("clip_score", 0.3, "high", "source", is_parity=True),)
    assert CONDITIONS(top_fraction=0.3, parity=True) != CONDITIONS(top_fraction=0.3)


@pytest.mark.parametrize("settings", [{"top_fraction": 1.0}, {"min": 0.1}])
def test_parity_where_the_reference_fails_or_has_no_fraction_is_refused(settings: dict[str, float]):
    with pytest.raises(SchemaError, match="clip_score: parity needs a top_fraction below 1"):
        CONDITIONS(**settings, parity=True)


def test_a_range_without_numbers_is_refused():
    with pytest.raises(SchemaError, match=r"clip_score keeps nothing: min 0.5 is above max 0.4"):
        CONDITIONS(min=0.5, max=0.4)


def test_each_column_of_a_score_has_a_filter_of_its_own():
    score = all_scores()["caption_length"]
    words, chars = (threshold_filter(score, column.name).conditions for column in score.columns)
    assert words(min=3) == (Condition("caption_words", ">=", 3),)
    assert chars(min=6) == (Condition("caption_chars", ">=", 6),)
