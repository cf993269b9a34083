"""Copies of samples by their cluster's share of a target set, against the sampling that they stand for."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import SchemaError
from curation_assets.scores.image_based_copies import SCORE, image_based_copies


def tables(targets: dict[int, int], cluster_id: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    clusters, rows = np.unique(cluster_id, return_counts=True)
    wanted = {"cluster_id": np.int32(list(targets)), "targets": np.int64(list(targets.values()))}
    return wanted, {"cluster_id": clusters, "cluster_rows": rows}


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=30),
    st.dictionaries(st.integers(0, 9), st.integers(1, 9)),
    st.integers(1, 50),
)
@settings(deadline=None)
def test_expectations_against_exact_fractions(clusters: list[int], targets: dict[int, int], budget: int):
    cluster_id, uid = np.int32(clusters), np.arange(len(clusters))
    found = image_based_copies(cluster_id, *tables(targets, cluster_id), uid, uid, budget=budget)
    total = sum(count for cluster, count in targets.items() if cluster in clusters)
    exact = [Fraction(budget * targets.get(c, 0), max(total, 1) * clusters.count(c)) for c in clusters]
    assert sum(exact) == (budget if total else 0)
    for copies, mean, fraction in zip(found["image_based_copies"], found["image_based_expected"], exact, strict=True):
        assert mean == pytest.approx(float(fraction))
        assert fraction - 1 < copies < fraction + 1
    assert [found[c.name].dtype for c in SCORE.columns] == [np.int64, np.float64]


def test_copies_are_as_often_as_in_the_sampling_that_they_stand_for():
    rng = np.random.default_rng(0)
    cluster_id, targets, budget = rng.choice(4, 400, p=[0.4, 0.3, 0.2, 0.1]), {0: 1, 2: 6, 3: 1, 8: 5}, 500
    wanted, rows = tables(targets, cluster_id)
    mean = np.zeros(400)
    for seed in range(200):
        uid = np.arange(400)
        copies = image_based_copies(cluster_id, wanted, rows, uid, uid, budget=budget, seed=seed)["image_based_copies"]
        assert abs(int(copies.sum()) - budget) < 60  # standard deviation below 10
        mean += copies / 200
    drawn = np.zeros(400)
    for _ in range(200):  # a cluster by its targets, then a member; clusters without rows are left out
        for cluster, number in zip((0, 2, 3), rng.multinomial(budget, [1 / 8, 6 / 8, 1 / 8]), strict=True):
            np.add.at(drawn, rng.choice(np.flatnonzero(cluster_id == cluster), number), 1 / 200)
    for cluster in range(4):
        inside = cluster_id == cluster
        assert mean[inside].sum() == pytest.approx(drawn[inside].sum(), abs=8)
    assert mean[cluster_id == 1].sum() == 0


def test_a_row_has_its_copies_whatever_comes_with_it():
    cluster_id = np.random.default_rng(1).integers(0, 5, 100)
    both, uid = tables({0: 2, 3: 5}, cluster_id), np.arange(100)
    whole = image_based_copies(cluster_id, *both, uid, uid, budget=70)["image_based_copies"]
    alone = [image_based_copies(cluster_id[[i]], *both, uid[[i]], uid[[i]], budget=70)["image_based_copies"][0] for i in uid]
    assert whole.tolist() == alone


def test_no_targets_where_rows_are_is_no_copies():
    cluster_id, uid = np.int32([1, 1]), np.arange(2)
    for targets in ({}, {7: 3}):
        found = image_based_copies(cluster_id, *tables(targets, cluster_id), uid, uid)
        assert found["image_based_copies"].tolist() == [0, 0]


def test_statistics_of_other_rows_are_refused():
    statistics = {"cluster_id": np.int32([0]), "cluster_rows": np.int64([4])}
    targets = {"cluster_id": np.int32([0]), "targets": np.int64([1])}
    with pytest.raises(SchemaError, match="row 1 is in cluster 5, which has no rows in cluster_statistics"):
        image_based_copies(np.int32([0, 5]), targets, statistics, np.arange(2), np.arange(2))
