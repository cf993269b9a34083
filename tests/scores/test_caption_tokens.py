"""fastText's tokens, against its reader of characters written as a loop, and against counts made with fastText itself."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.scores.caption_tokens import caption_tokens
from tests.conftest import SHARED


def count(caption: str) -> int:
    return int(caption_tokens(np.array([caption], object))[0])


def reader(caption: str) -> int:
    """Bytes one by one, as fastText reads them: a newline ends a word and is then read again as a word of its own."""
    tokens, word = 0, b""
    for byte in caption.encode():
        if byte not in b" \n\r\t\v\f\0":
            word += bytes([byte])
            continue
        tokens += bool(word) + (byte == 10)
        word = b""
    return tokens + bool(word)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [("", 0), ("  ", 0), ("a dog", 2), ("\n", 1), ("a\n\nb", 4), ("a\u00a0b\u3000c", 1), ("a\x00b\x1cc", 2), ("a\r\nb", 3)],
)
def test_counts_on_paper(caption: str, expected: int):
    assert count(caption) == expected


@given(st.text(alphabet=st.one_of(st.sampled_from(" \n\r\t\v\f\0\x1c\x85\u00a0\u2028"), st.characters(codec="utf-8"))))
def test_against_the_reader(caption: str):
    assert count(caption) == reader(caption)


@given(st.lists(st.text(alphabet="a \n", max_size=8), max_size=6))
def test_rows_are_counted_one_by_one(captions: list[str]):
    assert caption_tokens(np.array(captions, object)).tolist() == [reader(caption) for caption in captions]


def test_numbers_of_fasttext():
    """fasttext.tokenize of fasttext-wheel 0.9.2."""
    path = SHARED / "vectors" / "lid" / "caption_length_cases.json"
    if not path.is_file():
        pytest.skip(f"no test vectors at {path}")
    for case in json.loads(path.read_text(encoding="utf-8")):
        assert count(case["text"]) == case["n_fasttext"] == len(case["fasttext_tokens"]), case["text"]
