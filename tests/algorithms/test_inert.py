"""Hostile captions: nothing is left that a terminal or a log would act on, or that would hide."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.inert import excerpt, inert

# Unicode 16, DerivedCoreProperties.txt, Default_Ignorable_Code_Point: drawn as nothing at all.
IGNORABLE = (
    *(range(0xAD, 0xAE), range(0x34F, 0x350), range(0x61C, 0x61D), range(0x115F, 0x1161), range(0x17B4, 0x17B6)),
    *(range(0x180B, 0x1810), range(0x200B, 0x2010), range(0x202A, 0x202F), range(0x2060, 0x2070), range(0x3164, 0x3165)),
    *(range(0xFE00, 0xFE10), range(0xFEFF, 0xFF00), range(0xFFA0, 0xFFA1), range(0xFFF0, 0xFFF9)),
    *(range(0x1BCA0, 0x1BCA4), range(0x1D173, 0x1D17B), range(0xE0000, 0xE1000)),
)
# Format characters (Cf) that are drawn: Arabic and Kaithi number signs, and Egyptian quadrat joiners.
DRAWN = {0x6DD, 0x70F, 0x8E2, 0x110BD, 0x110CD, *range(0x600, 0x606), *range(0x890, 0x892), *range(0x13430, 0x13460)}
HOSTILE = {
    "ANSI colour": "a\x1b[31mred\x1b[0m",
    "ANSI title": "\x1b]0;owned\x07",
    "C1 control sequence": "\x9b31mred",
    "carriage return over the line": "harmless\rrm -rf",
    "backspace": "abc\b\b\bxyz",
    "line separator": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "right-to-left override": "photo\u202egpj.exe",
    "isolates": "\u2066a\u2069",
    "marks": "a\u200eb\u200fc\u061cd",
    "zero width": "pass\u200bword\u200c\u200d\ufeff\u2060",
    "soft hyphen": "pass\u00adword",
    "tags": "hi\U000e0068\U000e0069",
    "variation selectors": "x\ufe0f\U000e0148\U000e0155",
    "fillers": "\u3164\u115f\uffa0",
    "lone surrogate": "a\ud800b",
    "NUL": "a\0b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_becomes_one_plain_line(text: str):
    shown = inert(text)
    assert shown.isprintable()
    assert not {character for character in shown if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    shown.encode("utf-8")


def test_no_control_invisible_or_directional_character_is_left_as_it_is():
    acting = {code for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - DRAWN
    acting |= {code for part in IGNORABLE for code in part}
    left = [f"U+{code:04X}" for code in sorted(acting) if chr(code) in inert(f"a{chr(code)}b")]
    assert left == []


def test_what_is_seen_stays_as_it_is():
    for text in (
        "",
        "A dog, running.",
        "naïve café",
        "日本語の写真",
        "مرحبا بالعالم",
        "שלום",
        "नमस्ते",
        "😀 🎉",
        "a\u00a0b",
        "x̂",
    ):
        assert inert(text) == text


def test_invisible_characters_are_spelled_out_and_line_breaks_become_spaces():
    assert inert("a\r\n\tb") == "a   b"
    assert inert("\x1b\u202e\U000e0041") == "⟨U+001B⟩⟨U+202E⟩⟨U+E0041⟩"


@given(st.text(), st.integers(1, 20))
@settings(deadline=None)
def test_text_is_cut_to_the_longest_length(text: str, longest: int):
    shown = inert(text, longest=longest)
    if len(text) > longest:
        assert shown == inert(text[: longest - 1], longest=longest) + "…"
    else:
        assert shown == inert(text, longest=10**6)


@given(st.text())
@settings(deadline=None)
def test_inert_text_stays_the_same_when_made_inert_again(text: str):
    once = inert(text, longest=10**6)
    assert inert(once, longest=10**6) == once


def test_an_excerpt_is_cut_after_what_is_spelled_out() -> None:
    assert excerpt("a\u202e" * 90) == ("a⟨U+202E⟩" * 12)[:99] + "…"
    assert excerpt("short") == "short"
