"""Entries of a list found in texts: as whole words, or anywhere in scripts that put no space between words."""

import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache


@dataclass(frozen=True)
class WordMatcher:
    """A list of entries, ready to be searched for.

    Args:
        chunk: matches a run of characters that belong together, or one other character.
        joined: matches two characters that belong together.
        by_first: normalised entries with their first position in the list, by the first chunk, longest first.
    """

    chunk: re.Pattern[str]
    joined: re.Pattern[str]
    by_first: dict[str, tuple[tuple[str, int], ...]]


def normalised(text: str) -> str:
    """Text as it is compared: NFKC, case folded, white space as single spaces.

    So wide and narrow forms, ligatures and cases are the same.
    """
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


@lru_cache(maxsize=64)
def word_matcher(entries: Sequence[str], *, is_spaced: bool = True) -> WordMatcher:
    """A matcher for a list of entries, of any number of words each.

    Args:
        entries: as a tuple; those that are equal after `normalised` count as the first of them.
        is_spaced: whether an entry must stand as a whole word: no letter, digit, underscore or combining mark beside it,
            where it ends in one itself. Else (Chinese, Japanese, Thai) it may stand anywhere, except that Latin letters and
            digits are not cut out of a longer run of them.
    """
    word = rf"\w{_marks()}" if is_spaced else "a-z0-9"
    chunk, joined = re.compile(f"[{word}]+|[^{word}]"), re.compile(f"[{word}][{word}]")
    by_first: dict[str, dict[str, int]] = {}
    for position, entry in enumerate(map(normalised, entries)):
        if entry:
            by_first.setdefault(chunk.match(entry)[0], {}).setdefault(entry, position)
    ordered = {first: tuple(sorted(found.items(), key=lambda item: -len(item[0]))) for first, found in by_first.items()}
    return WordMatcher(chunk, joined, ordered)


def matching_entries(matcher: WordMatcher, text: str) -> list[int]:
    """Positions in the list of the entries that are in the text, each once, in the order in which they are met.

    Of entries that begin at the same place the longest comes first. Costs one look-up per word of the text, and one
    comparison per entry that begins with that word.
    """
    comparable, found = normalised(text), {}
    for chunk in matcher.chunk.finditer(comparable):
        for entry, position in matcher.by_first.get(chunk[0], ()):
            end = chunk.start() + len(entry)
            if comparable.startswith(entry, chunk.start()) and not matcher.joined.match(comparable, end - 1):
                found[position] = None
    return list(found)


@cache
def _marks() -> str:
    """All combining marks, as ranges of a character class; without them Python's \\w ends inside Hindi or Arabic words."""
    marks = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M"]
    starts = [code for code, before in zip(marks, [-2, *marks], strict=False) if code != before + 1]
    ends = [code for code, after in zip(marks, [*marks[1:], sys.maxunicode + 2], strict=True) if code != after - 1]
    return "".join(f"{chr(start)}-{chr(end)}" for start, end in zip(starts, ends, strict=True))
