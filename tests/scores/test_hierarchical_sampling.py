"""Places in clusters and their quotas, against loops; and the subset that follows from them."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import SchemaError
from curation_assets.scores.hierarchical_sampling import SCORE, hierarchical_sampling
from curation_assets.summaries import all_summaries

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def made_up(n: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    clusters, preference = rng.integers(0, 4, n).astype(np.int32) * 3, rng.integers(0, 3, n).astype(np.float64)
    return clusters, preference, rng.integers(-2, 2, n), rng.permutation(n) - n // 2


def quotas(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"cluster_id": rng.permutation(10).astype(np.int32), "quota": rng.integers(0, 5, 10)}


@pytest.mark.parametrize("n", [1, 2, 50])
def test_against_loops(n: int):
    clusters, preference, hi, lo = rows = made_up(n, n)
    quota = quotas(n)
    by_cluster = dict(zip(quota["cluster_id"].tolist(), quota["quota"].tolist(), strict=True))
    key = [(-preference[i], int(hi[i]) % 2**64, int(lo[i]) % 2**64) for i in range(n)]
    rank = [sum(clusters[j] == clusters[i] and key[j] < key[i] for j in range(n)) for i in range(n)]
    found = hierarchical_sampling(*rows, quota)
    assert found["leaf_rank"].tolist() == rank
    assert found["leaf_quota"].tolist() == [by_cluster[int(c)] for c in clusters]
    assert found["leaf_excess"].tolist() == [r - by_cluster[int(c)] for r, c in zip(rank, clusters, strict=True)]


@given(st.integers(1, 40), st.data())
@settings(deadline=None)
def test_neither_row_order_nor_other_clusters_decide(n: int, data: st.DataObject):
    rows, quota = made_up(n, n), quotas(n)
    whole, order = hierarchical_sampling(*rows, quota), np.array(data.draw(st.permutations(range(n))))
    shuffled = hierarchical_sampling(*(column[order] for column in rows), quota)
    assert all(shuffled[name].tolist() == whole[name][order].tolist() for name in whole)
    one = rows[0] == rows[0][0]
    alone = hierarchical_sampling(*(column[one] for column in rows), quota)
    assert all(alone[name].tolist() == whole[name][one].tolist() for name in whole)


@given(st.integers(1, 60))
@settings(deadline=None)
def test_below_zero_are_as_many_as_the_quota(n: int):
    rows, quota = made_up(n, n), quotas(n)
    is_in = hierarchical_sampling(*rows, quota)["leaf_excess"] < 0
    for cluster, wanted in zip(quota["cluster_id"].tolist(), quota["quota"].tolist(), strict=True):
        members = rows[0] == cluster
        assert int(is_in[members].sum()) == min(wanted, int(members.sum()))


def test_its_settings_are_those_of_the_quotas():
    of_quota = all_summaries()["hierarchical_quota"].settings
    assert {name: p.default for name, p in SCORE.settings.items() if name != "prefer"} == {
        name: p.default for name, p in of_quota.items()
    }
    assert inspect.signature(hierarchical_sampling).parameters["prefer"].default == "random"


@pytest.mark.parametrize("cluster", [-1, 3, 8])
def test_a_cluster_without_quota_is_refused(cluster: int):
    uid, quota = np.zeros(1, np.int64), {"cluster_id": np.int32([7, 2]), "quota": np.int64([1, 1])}
    with pytest.raises(SchemaError, match=f"cluster {cluster} has no quota"):
        hierarchical_sampling(np.int32([cluster]), np.zeros(1), uid, uid, quota)


def test_a_preference_that_is_no_number_is_refused():
    uid = np.zeros(1, np.int64)
    with pytest.raises(SchemaError, match="row 0 has NaN"):
        hierarchical_sampling(
            np.int32([0]), np.array([np.nan]), uid, uid, {"cluster_id": np.int32([0]), "quota": np.int64([1])}
        )
