"""Rows and distances of clusters: exact sums, the same in any split and order."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.summaries.cluster_statistics import SUMMARY, UNIT, cluster_statistics, merged_statistics

rows = st.lists(st.tuples(st.integers(0, 4), st.floats(-1, 1, width=32)), max_size=30)
Found = dict[str, np.ndarray]


def statistics(of: list[tuple[int, float]]) -> Found:
    return cluster_statistics(np.array([c for c, _ in of], np.int32), np.array([s for _, s in of], np.float32))


def joined(parts: list[Found]) -> Found:
    return {c.name: np.concatenate([part[c.name] for part in parts]) for c in SUMMARY.columns}


@given(rows)
@settings(deadline=None)
def test_sums_are_those_of_exact_fractions(of: list[tuple[int, float]]):
    found = statistics(of)
    assert found["cluster_id"].tolist() == sorted({cluster for cluster, _ in of})
    for cluster, count, distance in zip(*(found[c.name].tolist() for c in SUMMARY.columns), strict=True):
        members = [similarity for c, similarity in of if c == cluster]
        assert count == len(members)
        assert abs(distance - sum((1 - Fraction(s)) * 2**30 for s in members)) <= Fraction(count, 2)
    assert [(name, pa.array(column).type) for name, column in found.items()] == [(c.name, c.type) for c in SUMMARY.columns]


@given(rows, st.integers(0, 30), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_neither_split_nor_order_decide(of: list[tuple[int, float]], at: int, random: object):
    whole, shuffled = statistics(of), random.sample(of, len(of))
    parts = [statistics(shuffled[:at]), statistics(shuffled[at:]), statistics([])]
    nested = [parts[1], merged_statistics(joined([parts[2], parts[0]]))]
    for found in (merged_statistics(joined(parts)), merged_statistics(joined(nested))):
        assert all(np.array_equal(found[name], whole[name]) for name in whole)
        assert all(found[name].dtype == whole[name].dtype for name in whole)


def test_similarities_above_a_hundredth_are_added_exactly():
    similarity = np.random.default_rng(0).uniform(0.01, 1, 1000).astype(np.float32)
    found = cluster_statistics(np.zeros(1000, np.int32), similarity)
    assert Fraction(int(found["cluster_distance"][0])) * Fraction(UNIT) == sum(1 - Fraction(float(s)) for s in similarity)


def test_a_billion_rows_as_far_as_can_be_fit():
    part = {
        "cluster_id": np.zeros(2, np.int32),
        "cluster_rows": np.array([2**30] * 2),
        "cluster_distance": np.array([2**61] * 2),
    }
    assert merged_statistics(part)["cluster_distance"].tolist() == [2**62]
