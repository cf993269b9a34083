"""All pairs of 64-bit hashes that differ in few bits, without looking at most pairs."""

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np

from curation_assets.errors import ArgumentError

MAX_RADIUS = 16
_PROBE_ROWS = 1 << 16
_TABLE_BITS = 22  # up to this, values are found in a table of 4 bytes each, otherwise by bisection
# A look-up costs as much as this many candidates: with 2 the fastest plan is chosen for 1M random hashes at radius 3, 300,000
# at 6 and 200,000 at 10; with 8 or 0.1 it is not (2 cores of an AMD EPYC, November 2026).
_PROBE_COST = 2.0


class _Part(NamedTuple):
    """A run of bits of the hash, and in how many of them a pair may differ to be looked at."""

    shift: int
    bits: int
    radius: int


class Pairs(NamedTuple):
    """A block of pairs: index in the first array, index in the second, number of different bits (uint8)."""

    left: np.ndarray
    right: np.ndarray
    distance: np.ndarray


def hamming_pairs(
    left: np.ndarray, right: np.ndarray | None = None, *, radius: int, block_pairs: int = 1 << 21
) -> Iterator[Pairs]:
    """Every pair of a left and a right hash that differ in at most `radius` bits, once, in blocks.

    The bits are cut into parts and the radius is shared out, so that a pair within it is within the share of at least one
    part (pigeonhole). Per part the right hashes are sorted, and each left hash looks up all values within that share;
    only what it meets is compared. Complete, never approximate. Equal hashes all meet each other: hand in distinct ones.
    1M random hashes against themselves take 1 s at radius 3 and 1 minute at 10 (benchmarks/hamming.py, 2 cores of an EPYC).

    Args:
        left: int64, shape (n,), 64 bits each.
        right: int64, shape (m,); None joins the left ones with themselves, each pair with left < right.
        radius: bits, 0 to 16.
        block_pairs: candidates compared at once, about 40 bytes each; changes memory and speed, never the pairs.

    Yields:
        Blocks of pairs in an order that depends on nothing but the arguments; empty blocks are left out.

    Raises:
        ArgumentError: the radius is out of range.

    Source:
        Norouzi, Punjani, Fleet 2012, Fast search in Hamming space with multi-index hashing, CVPR.

    Example:
        >>> [pairs.distance.tolist() for pairs in hamming_pairs(np.array([0, 3, 255]), radius=2)]
        [[2]]
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ArgumentError(f"a Hamming radius is 0 to {MAX_RADIUS} bits; found {radius}")
    is_self = right is None
    left = np.ascontiguousarray(left, np.int64).view(np.uint64)
    right = left if right is None else np.ascontiguousarray(right, np.int64).view(np.uint64)
    if not len(left) or not len(right):
        return
    parts = _plan(radius, len(right))
    for number, part in enumerate(parts):
        for i, j in _candidates(left, right, part, is_self, block_pairs):
            differing = left[i] ^ right[j]
            distance = np.bitwise_count(differing)
            is_near = distance <= radius
            i, j, differing, distance = i[is_near], j[is_near], differing[is_near], distance[is_near]
            is_first = np.ones(len(i), bool)
            for earlier in parts[:number]:  # a pair belongs to the first part that finds it
                is_first &= np.bitwise_count(_value(differing, earlier)) > earlier.radius
            if is_first.any():
                i, j = i[is_first], j[is_first]
                first, second = (np.minimum(i, j), np.maximum(i, j)) if is_self else (i, j)
                yield Pairs(first, second, distance[is_first])


def _plan(radius: int, m: int) -> list[_Part]:
    """Parts whose radii plus one add up to the radius plus one, as cheap as possible for evenly spread hashes."""
    plans = [(_PROBE_COST + m, [_Part(0, 0, 0)])]  # no part at all: every pair is looked at
    for count in range(1, radius + 2):
        widths = [64 // count + (k < 64 % count) for k in range(count)]
        radii = [(radius + 1) // count - 1 + (k < (radius + 1) % count) for k in range(count)]
        shifts = np.cumsum([0, *widths[:-1]]).tolist()
        parts = [_Part(*part) for part in zip(shifts, widths, radii, strict=True)]
        plans.append((sum(_probes(p) * (_PROBE_COST + m / 2**p.bits) for p in parts), parts))
    return min(plans, key=lambda plan: plan[0])[1]


def _probes(part: _Part) -> int:
    return sum(comb(part.bits, k) for k in range(part.radius + 1))


def _value(hashes: np.ndarray, part: _Part) -> np.ndarray:
    """The part's bits of each hash, as a number."""
    return (hashes >> np.uint64(part.shift)) & np.uint64(2**part.bits - 1)


def _candidates(
    left: np.ndarray, right: np.ndarray, part: _Part, is_self: bool, block_pairs: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Index pairs whose bits of this part differ in at most the part's radius, each once."""
    left_order = np.argsort(_value(left, part), kind="stable")
    order = left_order if is_self else np.argsort(_value(right, part), kind="stable")
    runs = _runs(_value(right, part)[order], part.bits)
    sought = _value(left, part)[left_order]
    for flips in range(part.radius + 1):
        for positions in combinations(range(part.bits), flips):
            mask = np.uint64(sum(1 << position for position in positions))
            for start in range(0, len(left), _PROBE_ROWS):
                value = sought[start : start + _PROBE_ROWS]
                run = runs.find(value ^ mask)
                is_met = run >= 0
                if is_self and flips:
                    is_met &= value < value ^ mask  # the other side of the pair looks up this one
                rows = np.flatnonzero(is_met)
                low, high = runs.begins[run[rows]], runs.begins[run[rows] + 1]
                if is_self and not flips:
                    low = start + rows + 1  # left and right are sorted alike: only what comes after
                yield from _spread(left_order[start + rows], (low, high), order, block_pairs)


class _Runs(NamedTuple):
    """Where each distinct value of a sorted array begins, and one more entry for its end."""

    values: np.ndarray
    begins: np.ndarray
    table: np.ndarray | None

    def find(self, values: np.ndarray) -> np.ndarray:
        """The run of each value, -1 where there is none."""
        if self.table is not None:
            return self.table[values]
        run = np.minimum(np.searchsorted(self.values, values), len(self.values) - 1)
        return np.where(self.values[run] == values, run, -1)


def _runs(values: np.ndarray, bits: int) -> _Runs:
    begins = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    distinct, table = values[begins], None
    if bits <= _TABLE_BITS:
        table = np.full(2**bits, -1, np.int32)
        table[distinct] = np.arange(len(distinct))
    return _Runs(distinct, np.append(begins, len(values)), table)


def _spread(
    rows: np.ndarray, spans: tuple[np.ndarray, np.ndarray], order: np.ndarray, block_pairs: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each row with everything in its span of `order`, at most about `block_pairs` at once; long spans are cut."""
    low, high = spans
    while len(rows):
        counts = np.minimum(high - low, block_pairs)
        totals = np.cumsum(counts)
        taken = max(1, int(np.searchsorted(totals, block_pairs, side="right")))
        count, total = counts[:taken], int(totals[taken - 1])
        if total:
            shift = np.repeat(low[:taken] - (totals[:taken] - count), count)
            yield np.repeat(rows[:taken], count), order[np.arange(total) + shift]
        low = low + counts * (np.arange(len(low)) < taken)
        is_left = low < high
        rows, low, high = rows[is_left], low[is_left], high[is_left]
