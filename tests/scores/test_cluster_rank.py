"""Places of rows in their cluster, against a plain sort, and the fractions that they stand for."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import SchemaError
from curation_assets.instances import Instances
from curation_assets.scores.cluster_rank import SCORE, cluster_rank

rows = st.lists(
    st.tuples(st.sampled_from([-1.5, 0.0, -0.0, 2.0, math.inf]), st.integers(-2, 2), st.integers(-(2**63), 2**63 - 1)),
    min_size=1,
    max_size=30,
    unique_by=lambda row: row[1:],
)


def measured(pairs: list[tuple[float, int, int]]) -> dict[str, np.ndarray]:
    preference, hi, lo = zip(*pairs, strict=True)
    return cluster_rank(np.array(preference), np.array(hi), np.array(lo))


@given(rows, st.randoms(use_true_random=False))
def test_against_a_plain_sort_in_any_order_of_rows(pairs: list[tuple[float, int, int]], random: object):
    expected = sorted(pairs, key=lambda row: (-row[0], row[1] % 2**64, row[2] % 2**64))
    for given_rows in (pairs, random.sample(pairs, len(pairs))):
        found = measured(given_rows)
        assert [given_rows[i] for i in np.argsort(found["cluster_rank"])] == expected
        assert found["cluster_rank_share"].tolist() == [r / len(pairs) for r in found["cluster_rank"]]
        assert set(found["cluster_size"].tolist()) == {len(pairs)}
    assert [found[c.name].dtype.name for c in SCORE.columns] == ["int32", "float64", "float64", "int32"]


@given(st.integers(1, 300), st.one_of(st.floats(0, 1), st.integers(0, 100).map(lambda percent: percent / 100)))
@settings(deadline=None, max_examples=300)
def test_a_fraction_keeps_exactly_its_rows(n: int, fraction: float):
    found = cluster_rank(np.zeros(n), np.arange(n), np.zeros(n, int))
    kept = found["cluster_rank_fraction"] <= fraction
    assert np.flatnonzero(kept).tolist() == list(range(math.floor(fraction * n + 1e-9)))


@pytest.mark.parametrize("n", [1, 3, 7, 1000, 99_991])
def test_the_fraction_is_the_smallest_to_the_last_bit(n: int):
    uid = np.arange(n)
    found = cluster_rank(np.zeros(n), uid, uid)["cluster_rank_fraction"].tolist()
    for rank in {0, n // 3, n // 2, n - 1}:
        assert math.floor(found[rank] * n + 1e-9) > rank
        assert math.floor(math.nextafter(found[rank], 0) * n + 1e-9) <= rank


def test_labels_are_preferences():
    instances = Instances({}, ())
    for prefer in ("easy", "random", "low_clip_score"):
        for column in ("cluster_rank", "cluster_rank_share", "cluster_rank_fraction", "cluster_size"):
            assert instances.owner(f"{column}_{prefer}").settings["prefer"] == prefer


def test_no_order_without_numbers():
    with pytest.raises(SchemaError, match="row 1 has NaN"):
        measured([(0.5, 1, 1), (math.nan, 2, 2)])
