"""MetaCLIP's matching, against a search for every entry in the spaced text, and against numbers of the reference."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.algorithms.metaclip_text import matching_metadata, metadata_index, spaced
from tests.conftest import SHARED


def oracle_spaced(text: str) -> str:
    made = " "
    for character in text:
        if character in ("\t", "\n", "\r"):
            made += " "
        elif character in (",", ".", ";", ":", "?", "!", "`"):
            made += " " + character + " "
        else:
            made += character
    return made + " "


def oracle(entries: list[str], text: str) -> list[int]:
    return [position for position, entry in enumerate(entries) if f" {entry} " in oracle_spaced(text)]


@pytest.mark.parametrize(
    ("entries", "text", "expected"),
    [
        (["dog", "hot dog", "Dog"], "hot dog, Dogs", [0, 1]),
        (["hot dog"], "hot  dog", []),
        (["hot  dog"], "hot  dog", [0]),
        (["", " "], "a, b", [0]),  # a double space holds the empty entry
        (["", " "], "a", []),
        ([" "], "a   b", [0]),
        (["dog "], "dog", []),
        (["dog "], "dog  cat", [0]),
        (["dog "], "dog,", []),
        (["U.S.", "U . S ."], "the U.S. photo", [1]),
        (["dog", "cat", "dog"], "dog", [0, 2]),
        (["a\tb", "a b"], "a\tb", [1]),
        (["dog"], '(dog) "dog" dog\'s dog-like dog/cat', []),
        (["dog"], "", []),
        ([""], "", [0]),
        (["a\u00a0b"], "a\u00a0b", [0]),
    ],
)
def test_texts_on_paper(entries: list[str], text: str, expected: list[int]):
    assert matching_metadata(metadata_index(tuple(entries)), text) == oracle(entries, text)
    assert oracle(entries, text) == expected


_TEXT = st.text(alphabet="ab ,.`\t\nA\u00a0犬-", max_size=16)


@given(st.lists(_TEXT, max_size=12), _TEXT)
def test_against_a_search_for_every_entry(entries: list[str], text: str):
    assert matching_metadata(metadata_index(tuple(entries)), text) == oracle(entries, text)


@given(st.data(), st.lists(st.sampled_from(["a", "b", "", ",", "c."]), min_size=1, max_size=10))
def test_every_run_of_the_spaced_text_is_found(data: st.DataObject, words: list[str]):
    # Entries cut from the text itself, so that long ones are found too.
    text = " ".join(words)
    whole = oracle_spaced(text)
    start = data.draw(st.integers(0, len(whole) - 1))
    entries = [whole[start : data.draw(st.integers(start, len(whole)))] for _ in range(3)] + [whole[1:-1]]
    found = matching_metadata(metadata_index(tuple(entries)), text)
    assert found == oracle(entries, text)
    assert 3 in found


@given(_TEXT)
def test_spaced_text(text: str):
    assert spaced(text) == oracle_spaced(text)


def test_numbers_of_the_reference():
    """facebookresearch/MetaCLIP at f47f7841, run on 18 texts and 20 entries."""
    path = SHARED / "vectors" / "metaclip" / "expected.json"
    if not path.is_file():
        pytest.skip(f"no test vectors at {path}")
    expected = json.loads(path.read_text(encoding="utf-8"))
    index = metadata_index(tuple(expected["metadata"]))
    for case in expected["matches"]:
        assert spaced(case["text"]) == case["spaced"]
        assert matching_metadata(index, case["text"]) == case["matched"], case["text"]
