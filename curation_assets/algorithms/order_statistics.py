"""Exact fractions: which value, and among equal values which uid, is the last one kept.

Held in memory by `fraction_cut`, or one shard at a time by `streamed_cut`. For the latter a row is three unsigned 64-bit
words, the best row the smallest: the value's bits made order-preserving, then the two halves of the uid. Counts of leading
bits add up over shards and say in which bucket the last row kept lies; then only the rows of that bucket are looked at.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from curation_assets.errors import LakeError, SchemaError

from .histogram import Histogram, histogram
from .identity import uid_order

End = Literal["high", "low"]
# Value (a number, NaN where not measured), uid_hi and uid_lo (int64), all of shape (n,).
Shard = tuple[np.ndarray, np.ndarray, np.ndarray]
# Starts another walk over the same shards; their order, and which row is in which shard, never matter.
Population = Callable[[], Iterable[Shard]]
# Least and greatest of each word that is looked at; all but the last range are a single word.
Ranges = tuple[tuple[int, int], ...]

_SIGN, _ALL_BITS, _ANY_WORD = 2**63, 2**64 - 1, (0, 2**64 - 1)
_ROWS_PER_BUCKET = 4  # counted at once: adding up the buckets of every small shard costs more than counting its rows
_LAST_UID = (2**64 - 1, 2**64 - 1)


@dataclass(frozen=True)
class Cut:
    """The last row kept. `value` is None when no row is kept; the uid halves are unsigned, the largest where all ties pass."""

    population: int
    rows: int
    value: float | None
    last_uid: tuple[int, int]


def fraction_rows(fraction: float, population: int) -> int:
    """How many rows a fraction keeps: floor(fraction * population + 1e-9), so that 0.29 of 100 is 29."""
    return min(population, math.floor(fraction * population + 1e-9))


def parity_rank(fraction: float, population: int) -> int:
    """Rank, from 1, of the last value that DataComp keeps: one row more than the fraction; all rows for fraction 1."""
    return min(population, int(population * fraction) + 1)


def fraction_cut(
    value: np.ndarray, uid_hi: np.ndarray, uid_lo: np.ndarray, fraction: float, keep: End = "high", *, is_parity: bool = False
) -> Cut:
    """Cut that keeps exactly the best fraction of the rows that have a value, all of them in memory.

    Args:
        value: a number, shape (n,), compared as float64; NaN means not measured and is left out of the population.
        uid_hi: int64, shape (n,), decides between equal values: the smaller unsigned uid is kept.
        uid_lo: int64, shape (n,).
        fraction: share to keep, in [0, 1].
        keep: which end is best.
        is_parity: keep one row more, and every row equal to the last one, as DataComp does.

    Returns:
        The cut; its value is that of the last row kept, exactly (0.0 for -0.0, which equals it).

    Raises:
        SchemaError: the columns differ in length, or a value is no number that float64 holds exactly.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, section 4 (CLIP score top 30 %). The reference keeps one row more
        than the fraction and every tie (`baselines/utils.py` get_threshold); here the count is exact unless `is_parity`.

    Example:
        >>> fraction_cut(np.float32([0.5, 0.25, 0.5, 1]), np.array([7, 8, -9, 9]), np.zeros(4, int), 0.5)
        Cut(population=4, rows=2, value=0.5, last_uid=(7, 0))
    """
    shard = _measured((value, uid_hi, uid_lo))
    total = len(shard[0])
    rows = parity_rank(fraction, total) if is_parity else fraction_rows(fraction, total)
    if not rows:
        return Cut(total, 0, None, (0, 0))
    exact = Cut(total, rows, *_last_kept(shard, rows, keep))
    return _with_ties(exact, 0, shard[0], keep) if is_parity else exact


def streamed_cut(
    population: Population,
    fraction: float,
    keep: End = "high",
    *,
    is_parity: bool = False,
    most_candidates: int = 10**6,
    most_buckets: int = 2**16,
) -> Cut:
    """The cut of `fraction_cut` over any number of shards, without holding them all.

    Goes through the population twice, or three times where more than `most_candidates` rows have exactly the value of the
    last row kept; twelve times at worst. A bucket of 10^9 normal scores (mean 0.28, standard deviation 0.05) would have
    at most 130,000 rows. Holds two shards and about 80 bytes for each candidate and each bucket.

    Args:
        population: called once per pass. Shards may differ in their type of number: float64 holds them all exactly.
        fraction: share to keep, in [0, 1].
        keep: which end is best.
        is_parity: keep one row more, and every row equal to the last one, as DataComp does.
        most_candidates: rows compared in memory at the end; changes memory and passes, never the result.
        most_buckets: counters of a pass, at least 2; changes memory and passes, never the result.

    Raises:
        SchemaError: the columns of a shard differ in length, or a value is no number that float64 holds exactly.
        LakeError: the population is not the same each time.

    Source:
        Munro and Paterson 1980, Selection and Sorting with Limited Storage: each pass narrows the range around the wanted
        rank. Theirs narrows it by a sample of the rows; here by leading bits, so that shards can be counted in any order.

    Example:
        >>> half, one = (np.float32([0.5]), np.array([7]), np.array([0])), (np.float32([1]), np.array([8]), np.array([0]))
        >>> streamed_cut(lambda: [half, one, half], 2 / 3)
        Cut(population=3, rows=2, value=0.5, last_uid=(7, 0))
    """
    counts = _counted(population, keep, (_ANY_WORD,), most_buckets)
    total = int(counts.rows.sum())
    rows = parity_rank(fraction, total) if is_parity else fraction_rows(fraction, total)
    if not rows:
        return Cut(total, 0, None, (0, 0))
    search = _Search((_ANY_WORD,), total, rows, words=1 if is_parity else 3).narrowed(counts)
    while search.rows > most_candidates and not search.is_settled:
        search = search.narrowed(_counted(population, keep, search.ranges, most_buckets))
    better = rows - search.rank
    if search.is_settled:
        (word, _), *uid = search.ranges
        value = _word_value(word, keep)
        return (
            Cut(total, better + search.rows, value, _LAST_UID) if is_parity else Cut(total, rows, value, (uid[0][0], uid[1][0]))
        )
    parts = [_candidates(shard, keep, search.ranges)[0] for shard in population()]
    search.check(sum(len(value) for value, _, _ in parts))
    candidates = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    exact = Cut(total, rows, *_last_kept(candidates, search.rank, keep))
    return _with_ties(exact, better, candidates[0], keep) if is_parity else exact


def value_words(value: np.ndarray, keep: End) -> np.ndarray:
    """Order-preserving bits of float64 values, shape (n,), no NaN: uint64, smallest for the best; -0.0 is 0.0."""
    bits = (value + 0.0).view(np.uint64)
    ascending = np.where(bits >= _SIGN, ~bits, bits | _SIGN)
    return ~ascending if keep == "high" else ascending


def _word_value(word: int, keep: End) -> float:
    ascending = word ^ _ALL_BITS if keep == "high" else word
    bits = ascending ^ _SIGN if ascending >= _SIGN else ascending ^ _ALL_BITS
    return float(np.uint64(bits).view(np.float64))


@dataclass(frozen=True)
class _Search:
    """The rows among which the last one kept is: where their words lie, how many, and its rank among them (from 1).

    `words` of a row decide: all three, or the value's alone.
    """

    ranges: Ranges
    rows: int
    rank: int
    words: int

    @property
    def is_settled(self) -> bool:
        """Whether all words are known, so that the rows cannot be told apart."""
        return len(self.ranges) == self.words and self.ranges[-1][0] == self.ranges[-1][1]

    def narrowed(self, counts: Histogram) -> "_Search":
        """The search in the bucket of the last row kept; on to the next word where a bucket has a single one."""
        ranked = np.cumsum(counts.rows)
        self.check(int(ranked[-1]) if len(ranked) else 0)
        at = int(np.searchsorted(ranked, self.rank))
        least, greatest, rows = int(counts.least[at]), int(counts.greatest[at]), int(counts.rows[at])
        further = (_ANY_WORD,) if least == greatest and len(self.ranges) < self.words else ()
        rank = self.rank - int(ranked[at]) + rows
        return _Search((*self.ranges[:-1], (least, greatest), *further), rows, rank, self.words)

    def check(self, rows: int) -> None:
        if rows != self.rows:
            raise LakeError(
                f"a cut goes through its population several times; it had {self.rows} rows in a range of values, then {rows}: "
                "let nothing write to its tables meanwhile, and pass a function that starts a new walk at every call"
            )


def _counted(population: Population, keep: End, ranges: Ranges, most_buckets: int) -> Histogram:
    counts, waiting, rows = histogram(np.empty(0, np.uint64), most_buckets), [], 0
    for shard in population():
        waiting.append(_candidates(shard, keep, ranges)[1])
        rows += len(waiting[-1])
        if rows >= _ROWS_PER_BUCKET * most_buckets:
            counts, waiting, rows = counts + histogram(np.concatenate(waiting), most_buckets), [], 0
    return counts + histogram(np.concatenate(waiting), most_buckets) if waiting else counts


def _candidates(shard: Shard, keep: End, ranges: Ranges) -> tuple[Shard, np.ndarray]:
    """Rows of a shard whose words lie within the ranges, and the last of those words for each."""
    shard = _measured(shard)
    for depth, (least, greatest) in enumerate(ranges):
        words = shard[depth].view(np.uint64) if depth else value_words(shard[0], keep)
        if (least, greatest) != _ANY_WORD:
            is_inside = (words >= least) & (words <= greatest)
            shard, words = tuple(column[is_inside] for column in shard), words[is_inside]
    return shard, words


def _measured(shard: Shard) -> Shard:
    """The rows that have a value, the value as float64."""
    value, uid_hi, uid_lo = shard
    if not len(value) == len(uid_hi) == len(uid_lo):
        raise SchemaError(f"a cut needs a uid for each value; rows found: {len(value)}, uid {len(uid_hi)} and {len(uid_lo)}")
    if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
        raise SchemaError(f"a cut needs numbers that float64 holds exactly; found a column of {value.dtype}")
    if value.dtype.kind in "iu" and value.dtype.itemsize == 8:
        beyond = np.flatnonzero((value > 2**53) | (value < -(2**53)))
        if len(beyond):
            found = f"{len(beyond)} of {len(value)} are beyond 2**53, the first is {value[beyond[0]]} in row {beyond[0]}"
            raise SchemaError(f"a cut needs integers that float64 holds exactly; {found}: scale the column down")
    value = value.astype(np.float64, copy=False)
    is_measured = ~np.isnan(value)
    return (value, uid_hi, uid_lo) if is_measured.all() else tuple(c[is_measured] for c in (value, uid_hi, uid_lo))


def _last_kept(shard: Shard, rows: int, keep: End) -> tuple[float, tuple[int, int]]:
    """Value and unsigned uid of the last of the best rows, of which there is at least one; all values are float64."""
    value, uid_hi, uid_lo = shard
    position = len(value) - rows if keep == "high" else rows - 1
    threshold = np.partition(value, position)[position]
    better = int(np.count_nonzero(value > threshold if keep == "high" else value < threshold))
    ties = np.flatnonzero(value == threshold)
    last = ties[uid_order(uid_hi[ties], uid_lo[ties])][rows - better - 1]
    return float(threshold) + 0.0, (int(uid_hi[last].view(np.uint64)), int(uid_lo[last].view(np.uint64)))


def _with_ties(exact: Cut, better: int, value: np.ndarray, keep: End) -> Cut:
    """A cut with every row that equals its last one; `better` rows are not among the values and better than all of them."""
    is_kept = value >= exact.value if keep == "high" else value <= exact.value
    return Cut(exact.population, better + int(np.count_nonzero(is_kept)), exact.value, _LAST_UID)
