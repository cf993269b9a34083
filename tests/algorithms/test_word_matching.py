"""Entries in texts, against every position tried with its neighbours looked at one by one."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.algorithms.word_matching import matching_entries, normalised, word_matcher


def is_word(character: str, is_spaced: bool) -> bool:
    if not is_spaced:
        return character in "abcdefghijklmnopqrstuvwxyz0123456789"
    return character == "_" or character.isalnum() or unicodedata.category(character).startswith("M")


def oracle(entries: list[str], text: str, is_spaced: bool) -> list[int]:
    text, found = normalised(text), []
    wanted = [(normalised(entry), position) for position, entry in enumerate(entries)]
    for start in range(len(text)):
        for entry, position in sorted(wanted, key=lambda item: (-len(item[0]), item[1])):
            end = start + len(entry)
            if not entry or text[start:end] != entry:
                continue
            edges = [(start - 1, start), (end - 1, end)]
            inside = [(a, b) for a, b in edges if a >= 0 and b < len(text)]
            first = min(position for other, position in wanted if other == entry)
            if not any(is_word(text[a], is_spaced) and is_word(text[b], is_spaced) for a, b in inside):
                found.append(first)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("entries", "text", "expected"),
    [
        (("dog",), "A DOG, running", [0]),
        (("dog",), "hotdog dogs dog_1", []),
        (("hot dog", "dog", "hot"), "a hot\n dog", [0, 2, 1]),
        (("t-shirt",), "two t-shirts", []),
        (("c++", "c"), "learn c++!", [0, 1]),
        (("!",), "wow!!", [0]),
        (("straße",), "STRASSE", [0]),
        (("cafe\u0301",), "caf\u00e9", [0]),
        (("cafe",), "caf\u00e9", []),
        (("क",), "कि", []),  # a vowel sign belongs to its letter
        (("कि",), "कि है", [0]),
        (("dog", "DOG", "cat"), "cat dog", [2, 0]),
        (("dog",), "", []),
        (("犬",), "犬の写真", []),
    ],
)
def test_whole_words_on_paper(entries: tuple[str, ...], text: str, expected: list[int]):
    assert matching_entries(word_matcher(entries), text) == oracle(list(entries), text, True) == expected


@pytest.mark.parametrize(
    ("entries", "text", "expected"),
    [
        (("犬", "子犬"), "子犬の写真", [1, 0]),
        (("sm",), "smクラブ", [0]),
        (("sm",), "ｓｍクラブ", [0]),
        (("sm",), "small クラブ", []),
        (("3p",), "13p", []),
        (("หมา",), "รูปหมาน้อย", [0]),
    ],
)
def test_scripts_without_spaces_on_paper(entries: tuple[str, ...], text: str, expected: list[int]):
    assert matching_entries(word_matcher(entries, is_spaced=False), text) == oracle(list(entries), text, False) == expected


_LETTERS = st.text(alphabet="ab A-\u0301ｂ犬ß_ि 1", max_size=14)


@given(st.lists(_LETTERS, max_size=6), _LETTERS, st.booleans())
def test_against_every_position(entries: list[str], text: str, is_spaced: bool):
    found = matching_entries(word_matcher(tuple(entries), is_spaced=is_spaced), text)
    assert found == oracle(entries, text, is_spaced)


@given(st.lists(st.sampled_from(["a", "b a", "c", "b"]), max_size=6), st.lists(st.sampled_from(["a", "b", "c"]), max_size=6))
def test_the_order_of_the_list_decides_nothing_but_the_numbers(entries: list[str], words: list[str]):
    text = " ".join(words)
    names = [entries[i] for i in matching_entries(word_matcher(tuple(entries)), text)]
    turned = entries[::-1]
    assert [turned[i] for i in matching_entries(word_matcher(tuple(turned)), text)] == names
