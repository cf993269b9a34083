"""Even quotas over a hierarchy of clusters, against dealing rows out one at a time."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.hierarchical_quota import even_quotas, hierarchical_quotas
from curation_assets.errors import SchemaError

sizes = st.lists(st.integers(0, 12), min_size=1, max_size=9)


def dealt(rows: list[int], target: int) -> tuple[int, int]:
    """The cut, by dealing a row to every cluster that has one left, as long as a whole round can be paid; what is left."""
    cut, left = 0, min(target, sum(rows))
    while left and (can := sum(size > cut for size in rows)) <= left:
        cut, left = cut + 1, left - can
    return cut, left


@given(sizes, st.integers(0, 120), st.integers(0, 99))
@settings(deadline=None, max_examples=200)
def test_against_dealing_in_rounds(rows: list[int], target: int, seed: int):
    found = even_quotas(np.array(rows), target, np.arange(len(rows)), seed=seed, method="test").tolist()
    cut, left = dealt(rows, target)
    extra = [quota - min(size, cut) for quota, size in zip(found, rows, strict=True)]
    assert set(extra) <= {0, 1}
    assert sum(extra) == left
    assert all(size > cut for size, more in zip(rows, extra, strict=True) if more)


@given(sizes, st.integers(0, 120), st.integers(0, 99))
@settings(deadline=None, max_examples=100)
def test_more_wanted_takes_nothing_away_and_order_does_not_decide(rows: list[int], target: int, seed: int):
    names, n = np.arange(len(rows)) * 7 + 3, np.array(rows)
    found = even_quotas(n, target, names, seed=seed, method="test")
    assert (even_quotas(n, target + 1, names, seed=seed, method="test") >= found).all()
    order = np.random.default_rng(seed).permutation(len(rows))
    assert np.array_equal(even_quotas(n[order], target, names[order], seed=seed, method="test"), found[order])


def test_what_is_left_over_is_drawn_fairly():
    # 1 row of 4 clusters under 2,000 seeds; 4 standard deviations of a binomial are 77.
    winners = Counter(int(even_quotas(np.full(4, 9), 1, np.arange(4), seed=s, method="t").argmax()) for s in range(2000))
    assert all(abs(winners[cluster] - 500) < 78 for cluster in range(4))


def trees(rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
    """Rows of 30 leaves, and their parents in levels of 9 and 4 clusters; some have no children."""
    return rng.integers(0, 20, 30), [rng.integers(0, 9, 30), np.append(rng.integers(0, 4, 8), 3)[:9]]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("repeats", [1, 3])
def test_each_level_is_even_within_its_parent(seed: int, repeats: int):
    rows, parents = trees(np.random.default_rng(seed))
    parents[1] = parents[1][: parents[0].max() + 1]
    for target in (0, 1, 17, 120, 10**4):
        quota = hierarchical_quotas(rows, parents, target, repeats=repeats, seed=seed)
        assert quota.sum() == min(target, repeats * rows.sum())
        size = repeats * rows
        assert (quota <= size).all()
        for parent in [*parents, np.zeros(int(parents[-1].max()) + 1, int)]:
            for cluster in np.unique(parent):
                given, most = quota[parent == cluster], size[parent == cluster]
                open_ended = given[given < most]
                # A child that could give more has at most one row less than any other.
                assert not len(open_ended) or open_ended.min() >= given.max() - 1
            quota, size = (np.bincount(parent, values, int(parent.max()) + 1).astype(int) for values in (quota, size))


def test_a_crowded_concept_counts_once_per_level():
    rows, parent = np.array([100] * 9 + [100]), np.array([0] * 9 + [1])
    assert hierarchical_quotas(rows, [parent], 36).tolist() == [2] * 9 + [18]
    assert sorted(hierarchical_quotas(rows, [], 36).tolist()) == [3] * 4 + [4] * 6


def test_levels_that_do_not_fit_are_refused():
    with pytest.raises(SchemaError, match="level 0 has 3 clusters and 2 parents"):
        hierarchical_quotas(np.ones(3, int), [np.zeros(2, int)], 1)
    with pytest.raises(SchemaError, match="level 1 has 2 clusters and 3 parents"):
        hierarchical_quotas(np.ones(2, int), [np.array([0, 1]), np.zeros(3, int)], 1)
    with pytest.raises(SchemaError, match="give the parent, 0 or more"):
        hierarchical_quotas(np.ones(1, int), [np.array([-1])], 1)
