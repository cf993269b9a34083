"""Captions that say something: DataComp's strict bounds written as the smallest values that pass."""

import pytest

from curation_assets.filters.caption_length import caption_length
from curation_assets.scores.caption_length import caption_length as measured_length
from curation_assets.spec import Condition


def passes(caption: str, **settings: int) -> bool:
    words, chars = (int(values[0]) for values in measured_length([caption]).values())
    value = {"caption_words": words, "caption_chars": chars}
    return all(value[c.column] >= c.threshold for c in caption_length(**settings))


def test_conditions_of_the_defaults():
    # arXiv:2304.14108: more than two words and more than five characters.
    assert caption_length() == (Condition("caption_words", ">=", 3), Condition("caption_chars", ">=", 6))


@pytest.mark.parametrize(
    ("caption", "expected"),
    [("a b cd", True), ("a b c", False), ("abc defgh", False), ("one two three", True), ("", False), ("\n a \n b \n c", True)],
)
def test_bounds_of_datacomp(caption: str, expected: bool):
    assert passes(caption) is expected
    assert passes(caption) == (len(caption.split()) > 2 and len(caption) > 5), "as the reference writes it"


def test_both_settings_count():
    assert passes("word", min_words=1, min_chars=4)
    assert not passes("word", min_words=2, min_chars=4)
    assert not passes("word", min_words=1, min_chars=5)
    assert passes("", min_words=0, min_chars=0)
