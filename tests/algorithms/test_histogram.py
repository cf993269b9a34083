"""Counts of words by their leading bits, against counts of all words at once."""

from collections import Counter
from functools import reduce
from operator import add

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.histogram import Histogram, histogram

halves = st.sampled_from([0, 1, 2, 2**16, 2**40 + 1, 2**63 - 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)


def held(counts: Histogram) -> list[object]:
    return [counts.most, counts.shift, *(column.tolist() for column in (counts.least, counts.greatest, counts.rows))]


words_in_parts = st.lists(st.lists(halves, max_size=12), min_size=3, max_size=5)


@given(words_in_parts, st.integers(2, 9))
@settings(max_examples=500, deadline=None)
def test_histograms_add_up_in_any_order(parts: list[list[int]], most: int):
    counts = [histogram(np.array(part, np.uint64), most) for part in parts]
    a, b, c = counts[:3]
    assert held(a + b) == held(b + a)
    assert held((a + b) + c) == held(a + (b + c))
    words = [word for part in parts for word in part]
    assert held(reduce(add, counts)) == held(histogram(np.array(words, np.uint64), most))
    fewest = histogram(np.array(parts[0] + parts[1], np.uint64), 2)
    assert held(a + histogram(np.array(parts[1], np.uint64), 2)) == held(fewest)
    shift = next(s for s in range(65) if len({word >> s for word in words}) <= most)
    buckets = sorted(Counter(word >> shift for word in words).items())
    inside = [[word for word in words if word >> shift == bucket] for bucket, _ in buckets]
    assert held(reduce(add, counts)) == [most, shift, [*map(min, inside)], [*map(max, inside)], [rows for _, rows in buckets]]
