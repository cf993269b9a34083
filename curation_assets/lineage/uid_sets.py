"""Sets of uids as two sorted arrays, 16 bytes a uid, and how two of them overlap. Pure."""

from dataclasses import dataclass

import numpy as np

from curation_assets.algorithms.identity import uid_order


@dataclass(frozen=True)
class UidSet:
    """Different uids in ascending order, as unsigned halves, uint64 of shape (n,)."""

    hi: np.ndarray
    lo: np.ndarray

    def __len__(self) -> int:
        return len(self.hi)

    @property
    def has_unique_high_halves(self) -> bool:
        """Whether the high halves alone tell the uids apart, as those of random uids nearly always do."""
        return bool((self.hi[1:] != self.hi[:-1]).all())


def uid_set(uid_hi: np.ndarray, uid_lo: np.ndarray) -> UidSet:
    """The set of n uids in any order, given as stored (int64 halves); a uid that comes twice counts once.

    Example:
        >>> len(uid_set(np.array([3, -1, 3]), np.zeros(3, int)))
        2
    """
    hi, lo = np.asarray(uid_hi, np.int64).view(np.uint64), np.asarray(uid_lo, np.int64).view(np.uint64)
    if not _ascends(hi, lo):
        order = uid_order(hi, lo)
        hi, lo = hi[order], lo[order]
    is_first = np.ones(len(hi), bool)
    is_first[1:] = (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])
    return UidSet(hi, lo) if is_first.all() else UidSet(hi[is_first], lo[is_first])


def common(a: UidSet, b: UidSet) -> int:
    """How many uids two sets share; costs a binary search of the larger one for each uid of the smaller.

    Example:
        >>> zeros = np.zeros(3, int)
        >>> common(uid_set(np.array([1, 2, 3]), zeros), uid_set(np.array([3, 4, 1]), zeros))
        2
    """
    if len(a) > len(b):
        a, b = b, a
    if not len(a):
        return 0
    if a.has_unique_high_halves and b.has_unique_high_halves:
        at = np.minimum(np.searchsorted(b.hi, a.hi), len(b) - 1)
        return int(((b.hi[at] == a.hi) & (b.lo[at] == a.lo)).sum())
    small, large = _texts(a), _texts(b)
    at = np.minimum(np.searchsorted(large, small), len(b) - 1)
    return int((large[at] == small).sum())


def _ascends(hi: np.ndarray, lo: np.ndarray) -> bool:
    return bool(((hi[1:] > hi[:-1]) | ((hi[1:] == hi[:-1]) & (lo[1:] >= lo[:-1]))).all())


def _texts(uids: UidSet) -> np.ndarray:
    """Uids as text of 16 bytes, which sorts as the numbers do."""
    return np.stack([uids.hi, uids.lo], axis=1).astype(">u8").view("S16").reshape(-1)
