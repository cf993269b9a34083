"""Sets of uids against Python's own."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.lineage.uid_sets import common, uid_set

HALF = st.one_of(st.integers(-2, 2), st.sampled_from([-(2**63), 2**63 - 1]), st.integers(-(2**63), 2**63 - 1))
UIDS = st.lists(st.tuples(HALF, HALF), max_size=30)


def arrays(uids: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.array([uid[half] for uid in uids], np.int64) for half in (0, 1))


@settings(deadline=None)
@given(UIDS, UIDS)
def test_sizes_and_overlaps_are_those_of_sets(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    one, other = uid_set(*arrays(a)), uid_set(*arrays(b))
    assert (len(one), len(other)) == (len(set(a)), len(set(b)))
    assert common(one, other) == common(other, one) == len(set(a) & set(b))


@settings(deadline=None)
@given(UIDS)
def test_uids_ascend_as_unsigned_numbers(uids: list[tuple[int, int]]) -> None:
    found = uid_set(*arrays(uids))
    numbers = [(int(hi) << 64) + int(lo) for hi, lo in zip(found.hi, found.lo, strict=True)]
    assert numbers == sorted({((hi % 2**64) << 64) + lo % 2**64 for hi, lo in uids})


def test_random_uids_take_the_short_way_with_the_same_result() -> None:
    rng = np.random.default_rng(3)
    hi, lo = rng.integers(-(2**63), 2**63 - 1, (2, 3000))
    a, b = uid_set(hi[:2000], lo[:2000]), uid_set(hi[1000:], lo[1000:])
    assert a.has_unique_high_halves
    assert common(a, b) == 1000
    assert common(a, uid_set(hi[1000:], lo[1000:] ^ 1)) == 0
