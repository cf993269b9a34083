"""Ranks within a cluster, and what quotas and fractions of clusters keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.order_statistics import fraction_rows
from curation_assets.filters.cluster_fraction import cluster_fraction
from curation_assets.scores.cluster_rank import cluster_rank

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2), st.integers(-2, 2)), min_size=1, max_size=20, unique=True)


@given(rows)
@settings(deadline=None)
def test_rank_is_the_number_of_rows_that_come_first(of: list[tuple[int, int, int]]):
    found = cluster_rank(*(np.array(column) for column in zip(*of, strict=True)))
    key = [(-preference, hi % 2**64, lo % 2**64) for preference, hi, lo in of]
    expected = [sum(other < own for other in key) for own in key]
    assert found["cluster_rank"].tolist() == expected
    assert found["cluster_rank_share"].tolist() == [(rank + 1) / len(of) for rank in expected]
    assert found["cluster_size"].tolist() == [len(of)] * len(of)


def test_types_of_a_single_row():
    found = cluster_rank(np.array([0.5]), np.array([1]), np.array([1]))
    assert {name: values.dtype.name for name, values in found.items()} == {
        "cluster_rank": "int32",
        "cluster_rank_share": "float64",
        "cluster_size": "int32",
    }


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 49, 100, 250, 1000])
def test_a_fraction_keeps_what_it_keeps_of_the_whole_pool(n: int):
    share = cluster_rank(-np.arange(float(n)), np.arange(n), np.zeros(n, int))["cluster_rank_share"]
    for thousandth in range(1, 1001):
        fraction = thousandth / 1000
        (condition,) = cluster_fraction(fraction=fraction)
        assert np.count_nonzero(share <= condition.threshold) == fraction_rows(fraction, n)
