"""Words and characters, against the numbers of DataComp's two different length rules."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.filters.caption_length import FILTER
from curation_assets.scores.caption_length import caption_length

CASES = Path(__file__).parents[2] / ".." / "shared" / "vectors" / "lid" / "caption_length_cases.json"


def counts(caption: str) -> tuple[int, int]:
    found = caption_length(np.array([caption], object))
    return int(found["caption_words"][0]), int(found["caption_chars"][0])


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a dog, running", (3, 14)),
        ("", (0, 0)),
        ("  \t ", (0, 4)),
        ("a\u00a0b", (2, 3)),
        ("a\u200bb", (1, 3)),  # a zero-width space is no white space
        ("日本語の写真", (1, 6)),
        ("😀 x", (2, 3)),
        ("e\u0301", (1, 2)),  # two code points, drawn as one letter
        ("one\r\ntwo", (2, 8)),
    ],
)
def test_counts_on_paper(caption: str, expected: tuple[int, int]):
    assert counts(caption) == expected


@given(st.text())
def test_words_by_walking_over_the_characters(caption: str):
    # White space after Python's definition: bidirectional class WS, B or S, or category Zs.
    words, is_inside = 0, False
    for character in caption:
        is_space = unicodedata.bidirectional(character) in ("WS", "B", "S") or unicodedata.category(character) == "Zs"
        words += not is_space and not is_inside
        is_inside = not is_space
    assert counts(caption) == (words, len(caption))


@given(st.lists(st.text(max_size=10), max_size=5))
def test_rows_are_counted_one_by_one(captions: list[str]):
    found = caption_length(np.array(captions, object))
    assert list(zip(found["caption_words"].tolist(), found["caption_chars"].tolist(), strict=True)) == [
        counts(caption) for caption in captions
    ]


def test_numbers_of_datacomp():
    """mlfoundations/datacomp at 4a8df199: more than two words by str.split and more than five characters."""
    if not CASES.is_file():
        pytest.skip(f"no test vectors at {CASES}")
    cases = json.loads(CASES.read_text(encoding="utf-8"))
    words, chars = FILTER.conditions()
    for case in cases:
        found = counts(case["text"])
        assert found == (case["n_split"], case["n_chars"]), case["text"]
        passes = found[0] >= words.threshold and found[1] >= chars.threshold
        assert passes == case["basic_caption_len_ok"], case["text"]
    # The image-based filter counts fastText tokens, which is another number.
    assert [case["text"] for case in cases if case["n_fasttext"] != case["n_split"]][:2] == ["a\ndog", "hello world\n"]
