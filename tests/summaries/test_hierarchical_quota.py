"""Quotas of clusters over a tree of their centroids."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.hierarchical_quota import leaf_quotas
from curation_assets.errors import SchemaError
from curation_assets.summaries import all_summaries
from curation_assets.summaries.hierarchical_quota import SUMMARY, hierarchical_quota


def tables(sizes: list[int], centroids: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """As the pool has them: statistics name clusters with samples only, in any order."""
    clusters = np.random.default_rng(0).permutation(np.flatnonzero(sizes)).astype(np.int32)
    return {"centroid": centroids}, {"cluster_id": clusters, "cluster_rows": np.array(sizes, np.int64)[clusters]}


def axes(groups: list[int], seed: int = 0) -> np.ndarray:
    """Centroids that lie close to the axis of their group."""
    rng = np.random.default_rng(seed)
    return (np.eye(max(groups) + 1)[groups] * 4 + rng.normal(size=(len(groups), max(groups) + 1)) * 0.05).astype(np.float32)


def test_top_clusters_share_evenly_and_so_do_those_below():
    # One crowded direction with 6 clusters, and two with one each.
    sizes, groups = [40, 40, 40, 40, 40, 40, 90, 7], [0, 0, 0, 0, 0, 0, 1, 2]
    found = hierarchical_quota(*tables(sizes, axes(groups)), rows=67, levels="3")
    assert found["quota"].tolist() == [5, 5, 5, 5, 5, 5, 30, 7]
    assert hierarchical_quota(*tables(sizes, axes(groups)), rows=7 * 9, levels="")["quota"].tolist() == [8] * 7 + [7]


def test_two_levels_are_those_of_the_groups():
    # Pairs of axes lie in one half space: groups 0 and 1 are one top cluster, group 2 is the other.
    centres = np.float32([[1, 0.4, 0], [1, -0.4, 0], [-1, 0, 0.2]])
    groups = np.array([0, 0, 0, 1, 2, 2])
    vectors = centres[groups] + np.random.default_rng(3).normal(size=(6, 3)).astype(np.float32) * 0.01
    found = hierarchical_quota(*tables([99] * 6, vectors), rows=48, levels="3,2")
    assert found["quota"].tolist() == [4, 4, 4, 12, 12, 12]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(1, 99), st.sampled_from(["", "5", "6,2", "40,3,1"]))
@settings(deadline=None)
def test_quotas_add_up_and_only_grow(sizes: list[int], rows: int, levels: str):
    given_tables = tables(sizes, axes([i % 4 for i in range(len(sizes))], len(sizes)))
    found = hierarchical_quota(*given_tables, rows=rows, levels=levels)
    assert found["cluster_id"].tolist() == list(range(len(sizes)))
    assert int(found["quota"].sum()) == min(rows, sum(sizes))
    assert (found["quota"] <= sizes).all()
    assert (hierarchical_quota(*given_tables, rows=rows + 1, levels=levels)["quota"] >= found["quota"]).all()
    if not levels:
        assert found["quota"].tolist() == leaf_quotas(np.array(sizes), [], rows).tolist()


def test_columns_have_the_declared_type_and_nothing_is_merged():
    assert all_summaries()["hierarchical_quota"] is SUMMARY
    for n in (0, 4):
        found = hierarchical_quota(*tables([3] * n, axes([0, 1, 1, 0])[:n]), levels="2")
        assert [(name, pa.array(values).type) for name, values in found.items()] == [(c.name, c.type) for c in SUMMARY.columns]
        assert SUMMARY.merge(found) == found


@pytest.mark.parametrize("levels", ["10,100", "5,5", "0", "ten", "5,", "-1"])
def test_levels_that_do_not_descend_are_refused(levels: str):
    with pytest.raises(SchemaError, match="levels are descending numbers"):
        hierarchical_quota(*tables([1, 1], axes([0, 1])), levels=levels)


def test_statistics_of_another_clustering_are_refused():
    statistics = {"cluster_id": np.int32([2]), "cluster_rows": np.int64([1])}
    with pytest.raises(SchemaError, match="has cluster 2 and there are 2 centroids"):
        hierarchical_quota({"centroid": axes([0, 1])}, statistics)
