"""How often 64-bit words occur, by their leading bits: counts that add up over shards in any order."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Histogram:
    """How many words share their leading bits: a bucket is `word >> shift`. Only buckets with words are held, ascending.

    `shift` is the smallest with which at most `most` buckets are left, so a few different words are counted one by one.
    `a + b` is the histogram of both sets of words, whichever way they were split: + is commutative and associative.
    `least` and `greatest` are the extreme words of a bucket (uint64), equal where all its words are; `rows` is int64.
    """

    most: int
    shift: int
    least: np.ndarray
    greatest: np.ndarray
    rows: np.ndarray

    def __add__(self, other: "Histogram") -> "Histogram":
        least = np.concatenate([self.least, other.least])
        order = np.argsort(least, kind="stable")  # merges two sorted runs, so it is linear
        least, most = least[order], min(self.most, other.most)
        shift, starts = _buckets(least, most, max(self.shift, other.shift))
        greatest = np.maximum.reduceat(np.concatenate([self.greatest, other.greatest])[order], starts)
        rows = np.add.reduceat(np.concatenate([self.rows, other.rows])[order], starts)
        return Histogram(most, shift, least[starts], greatest, rows)


def histogram(words: np.ndarray, most: int) -> Histogram:
    """Histogram of uint64 words, shape (n,), in at most `most` buckets (2 or more)."""
    words = np.sort(words)
    shift, starts = _buckets(words, most, 0)
    ends = np.append(starts[1:], len(words))[: len(starts)]
    return Histogram(most, shift, words[starts], words[ends - 1], ends - starts)


def _buckets(words: np.ndarray, most: int, shift: int) -> tuple[int, np.ndarray]:
    """Shift that is needed, at least the one given, and where in the sorted words each bucket starts."""
    differing = words[1:] ^ words[:-1]  # neighbours are in different buckets where this is 2**shift or more
    if len(differing) >= most:
        shift = max(shift, int(np.partition(differing, -most)[-most]).bit_length())
    return shift, np.flatnonzero(np.concatenate([np.ones(min(1, len(words)), bool), differing >= 2**shift]))
