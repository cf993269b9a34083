"""Thousands of byte strings looked for at once, in memory: exact, and faster than a disk gives the bytes.

Every string of 15 bytes or more has, wherever it begins, 8 bytes that start at a multiple of 8. So only every eighth
position is looked at, as one 64-bit number, and a table of bits says for nearly all of them that they belong to no string.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from resources.needles import Needle, spellings

_GRAM = 8
_QUOTE = ord('"')
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads the bits of a number (Knuth, TAOCP 3, 6.4)
_CHUNK_BYTES = 40 * 13_107  # a multiple of 8 and 5; what numpy makes of one chunk stays in the second-level cache
_PAIRS = 1 << 20  # candidates that are compared at once: bounds memory where many strings share 8 bytes


class _Strings(NamedTuple):
    """All strings and what is compared before their bytes are: their first and last 8 bytes, or fewer under a mask."""

    text: list[bytes]
    needle: np.ndarray
    size: np.ndarray
    mask: np.ndarray
    head: np.ndarray
    tail: np.ndarray


class _Grams(NamedTuple):
    """8-byte numbers that betray strings: at which positions they are looked for, and whose they are.

    `step` is the distance of the positions, 0 for those of quotes. Entries of equal number are neighbours: those of
    `unique[i]` lie at first[i]:first[i + 1], each with its string and where in the string the number stands.
    """

    step: int
    mask: np.uint64
    bits: np.ndarray
    shift: np.uint64
    unique: np.ndarray
    first: np.ndarray
    string: np.ndarray
    offset: np.ndarray


class NeedleIndex:
    """Finds which of the needles stand in some bytes, in any spelling.

    Args:
        needles: what is looked for; spellings that two share are found for both.
    """

    def __init__(self, needles: Sequence[Needle]) -> None:
        self.count = len(needles)
        found = [(text, i, n.is_whole_only) for i, n in enumerate(needles) for text in sorted(spellings(n))]
        self.longest = max((len(text) for text, _, _ in found), default=0)
        self._strings = _strings([text for text, _, _ in found], [i for _, i, _ in found])
        size, is_quoted = self._strings.size, np.array([is_whole for _, _, is_whole in found], bool)
        parts = [_spaced(self._strings, np.flatnonzero(~is_quoted & (size >= 15)), 8)]
        parts.append(_spaced(self._strings, np.flatnonzero(~is_quoted & (size < 15)), 5))  # of 12 bytes at least
        for length in range(3, _GRAM + 1):
            chosen = np.flatnonzero(is_quoted & (np.minimum(size, _GRAM) == length))
            parts.append(_table(self._strings.head[chosen], chosen, np.zeros(len(chosen), np.int64), (0, _mask(length))))
        self._parts = [part for part in parts if len(part.unique)]

    def find(self, content: bytes | memoryview, found: np.ndarray, cells: np.ndarray | None = None) -> None:
        """Sets found[i] for every needle i that stands in the content.

        Args:
            content: any number of bytes.
            found: bool, shape (needles,); what is set already is not looked for.
            cells: int64, ascending from 0 to the length of the content, where the content is many values one after
                the other; nothing counts that reaches over the border of two.
        """
        size = len(content)
        if not self._parts or size < 3:
            return
        padded = np.zeros(size + _GRAM, np.uint8)
        padded[:size] = np.frombuffer(content, np.uint8)
        words = np.ndarray((size + 1,), "<u8", padded, 0, (1,))
        for part in self._parts:
            for start in range(0, size, _CHUNK_BYTES):
                at, entry = _candidates(part, padded, words, (start, min(size, start + _CHUNK_BYTES)))
                for first, last in _slices(part, entry):
                    self._compare(part, (at[first:last], entry[first:last]), (content, words), found, cells)

    def _compare(
        self,
        part: _Grams,
        candidates: tuple[np.ndarray, np.ndarray],
        content: tuple[bytes | memoryview, np.ndarray],
        found: np.ndarray,
        cells: np.ndarray | None,
    ) -> None:
        """Sets found for the candidates that hold, byte by byte."""
        at, entry = candidates
        data, words = content
        lengths = part.first[entry + 1] - part.first[entry]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        owner = np.repeat(part.first[entry], lengths) + within
        string, start = part.string[owner], np.repeat(at, lengths) - part.offset[owner]
        strings = self._strings
        end = start + strings.size[string]
        keep = np.flatnonzero((start >= 0) & (end <= len(data)) & ~found[strings.needle[string]])
        string, start, end = string[keep], start[keep], end[keep]
        mask = strings.mask[string]
        is_same = (words[start] & mask) == strings.head[string]
        is_same &= (words[np.maximum(end - _GRAM, start)] & mask) == strings.tail[string]
        if cells is not None:
            is_same &= cells[np.searchsorted(cells, start, "right")] >= end
        for i in np.flatnonzero(is_same):
            needle, text = strings.needle[string[i]], strings.text[string[i]]
            if not found[needle] and data[start[i] : end[i]] == text:
                found[needle] = True


def _candidates(part: _Grams, padded: np.ndarray, words: np.ndarray, span: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the span whose 8 bytes are a number of the table, and which one."""
    start, stop = span
    if part.step:
        at = None
        values = words[start : stop : part.step]
    else:
        at = np.flatnonzero(padded[start:stop] == _QUOTE) + start
        values = words[at] & part.mask
    likely = np.flatnonzero(part.bits[(values * _MIX) >> part.shift])
    values = values[likely]
    at = start + likely * part.step if at is None else at[likely]
    entry = np.minimum(np.searchsorted(part.unique, values), len(part.unique) - 1)
    is_one = part.unique[entry] == values
    return at[is_one], entry[is_one]


def _slices(part: _Grams, entry: np.ndarray) -> list[tuple[int, int]]:
    """Runs of candidates that stand for about `_PAIRS` strings each."""
    if not len(entry):
        return []
    total = np.cumsum(part.first[entry + 1] - part.first[entry])
    cuts = np.flatnonzero(np.diff(total // _PAIRS)) + 1
    edges = [0, *cuts.tolist(), len(entry)]
    return list(pairwise(edges))


def _mask(length: int) -> int:
    return (1 << 8 * min(length, _GRAM)) - 1


def _strings(text: list[bytes], needle: list[int]) -> _Strings:
    def number(part: bytes) -> int:
        return int.from_bytes(part, "little")

    return _Strings(
        text,
        np.array(needle, np.int64),
        np.array([len(t) for t in text], np.int64),
        np.array([_mask(len(t)) for t in text], np.uint64),
        np.array([number(t[:_GRAM]) for t in text], np.uint64),
        np.array([number(t[-_GRAM:]) for t in text], np.uint64),
    )


def _spaced(strings: _Strings, chosen: np.ndarray, step: int) -> _Grams:
    """For each string `step` neighbouring numbers, one of which stands at a multiple of `step` wherever the string begins.

    Of all such runs it is the one that fewest strings share, the last of equal ones: what a URL begins with is common.
    """
    texts = [np.frombuffer(strings.text[i], np.uint8) for i in chosen]
    words = [np.ndarray((len(t) - _GRAM + 1,), "<u8", t, 0, (1,)) for t in texts]
    everything = np.concatenate(words) if words else np.zeros(0, np.uint64)
    _, place, shared = np.unique(everything, return_inverse=True, return_counts=True)
    cost, at = shared[place], 0
    grams, offsets = [], []
    for own in words:
        summed = np.convolve(cost[at : at + len(own)], np.ones(step, np.int64), "valid")
        best = len(summed) - 1 - int(np.argmin(summed[::-1]))
        grams.append(own[best : best + step])
        offsets.append(np.arange(best, best + step))
        at += len(own)
    value = np.concatenate(grams) if grams else everything
    offset = np.concatenate(offsets) if offsets else np.zeros(0, np.int64)
    return _table(value, np.repeat(chosen, step), offset, (step, _mask(_GRAM)))


def _table(value: np.ndarray, string: np.ndarray, offset: np.ndarray, kind: tuple[int, int]) -> _Grams:
    """Numbers sorted, with a table of bits in which about one number in a hundred of others is set by accident."""
    order = np.argsort(value, kind="stable")
    unique, first = np.unique(value[order], return_index=True)
    width = int(np.clip(np.ceil(np.log2(max(1, len(unique)) * 64)), 12, 24))
    shift = np.uint64(64 - width)
    bits = np.zeros(1 << width, bool)
    bits[(unique * _MIX) >> shift] = True
    edges = np.append(first, len(value)).astype(np.int64)
    return _Grams(kind[0], np.uint64(kind[1]), bits, shift, unique, edges, string[order].astype(np.int64), offset[order])
