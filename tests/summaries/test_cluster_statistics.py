"""Rows and distances of clusters: the same however the pool is cut into shards."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.summaries.cluster_statistics import SUMMARY, cluster_statistics

rows = st.lists(st.tuples(st.integers(0, 5), st.floats(-1, 1, width=32)), max_size=40)


def columns(pairs: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([c for c, _ in pairs], np.int32), np.array([s for _, s in pairs], np.float32)


def plain(found: dict[str, np.ndarray]) -> dict[str, list[int]]:
    return {name: values.tolist() for name, values in found.items()}


@given(rows)
def test_against_exact_fractions(pairs: list[tuple[int, float]]):
    found = cluster_statistics(*columns(pairs))
    assert found["cluster_id"].tolist() == sorted({c for c, _ in pairs})
    for cluster, count, total in zip(*found.values(), strict=True):
        exact = [1 - Fraction(s) for c, s in pairs if c == cluster]
        assert count == len(exact)
        assert abs(Fraction(int(total), 2**32) - sum(exact)) <= Fraction(len(exact), 2**33)
    assert [found[c.name].dtype.name for c in SUMMARY.columns] == ["int32", "int64", "int64"]


@given(rows, st.lists(st.integers(0, 40), max_size=5), st.randoms(use_true_random=False))
def test_order_and_split_do_not_matter(pairs: list[tuple[int, float]], cuts: list[int], random: object):
    whole = plain(cluster_statistics(*columns(pairs)))
    mixed = random.sample(pairs, len(pairs))
    ends = [0, *sorted(cuts), len(mixed)]
    parts = [cluster_statistics(*columns(mixed[a:b])) for a, b in pairwise(ends)]
    merged = SUMMARY.merge(parts[0])
    for part in parts[1:]:
        merged = SUMMARY.merge({name: np.concatenate([part[name], merged[name]]) for name in merged})
    assert plain(merged) == whole
    assert [values.dtype.name for values in merged.values()] == ["int32", "int64", "int64"]


def test_a_billion_rows_at_the_largest_distance_fit():
    one = cluster_statistics(np.int32([0]), np.float32([-1]))
    many = SUMMARY.merge(
        {**{name: np.repeat(values, 3) for name, values in one.items()}, "distance_sum": np.full(3, 10**9 // 4 * 2**33)}
    )
    assert many["distance_sum"].tolist() == [3 * (10**9 // 4) * 2**33]
