"""DataComp's caption rule before clustering: fastText tokens, not words."""

import json

import numpy as np
import pytest

from curation_assets.filters.caption_filter import FILTER, caption_filter
from curation_assets.scores.caption_tokens import caption_tokens
from tests.conftest import SHARED
from tests.filters.shorthands import passes


def row(text: str, language: str | None = "en") -> dict[str, float | str | None]:
    tokens = int(caption_tokens(np.array([text], object))[0])
    return {"caption_language": language, "caption_tokens": tokens, "caption_chars": len(text)}


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("red dog", "en", True),
        ("red dog", "de", False),
        ("red dog", None, False),
        ("a  dog", "en", True),  # six characters
        ("a dog", "en", False),
        ("reddogs", "en", False),
        ("red\u00a0dog", "en", False),  # one fastText token
        ("reddogs\n", "en", True),  # the newline is the second token
    ],
)
def test_rows_that_are_kept(text: str, language: str | None, expected: bool):
    assert passes(caption_filter(), row(text, language)) == expected


def test_settings_move_the_bounds():
    assert passes(FILTER.entries(min_tokens=1, min_chars=1), row("x"))
    assert not passes(FILTER.entries(min_tokens=3), row("red dog"))
    assert not passes(FILTER.entries(min_chars=8), row("red dog"))


def test_numbers_of_datacomp():
    """mlfoundations/datacomp at 4a8df199 with fasttext-wheel 0.9.2."""
    path = SHARED / "vectors" / "lid" / "caption_length_cases.json"
    if not path.is_file():
        pytest.skip(f"no test vectors at {path}")
    cases = json.loads(path.read_text(encoding="utf-8"))
    expected = [case["image_based_caption_len_ok"] for case in cases]
    assert [passes(caption_filter(), row(case["text"])) for case in cases] == expected
    assert {True, False} == set(expected)
    # The basic filter's rule is another one.
    assert expected != [case["basic_caption_len_ok"] for case in cases]
