"""Rows shared out over a tree of clusters, against giving them away one round after the other."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.hierarchical_quota import cut_quotas, leaf_quotas
from curation_assets.algorithms.identity import keyed_bits
from curation_assets.errors import SchemaError

Tree = tuple[np.ndarray, list[np.ndarray]]


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Sizes of up to 12 leaves, many of them 0 or equal, and up to 3 levels above."""
    sizes = draw(st.lists(st.integers(0, 6), min_size=1, max_size=12))
    counts, parents = [len(sizes), *draw(st.lists(st.integers(1, 5), max_size=3))], []
    for below, above in pairwise(counts):
        parents.append(np.array(draw(st.lists(st.integers(0, above - 1), min_size=below, max_size=below))))
    # The top has as many clusters as it needs; below it, some may be empty.
    return np.array(sizes), parents


def rounds(limits: list[int], target: int, draw: list[int]) -> list[int]:
    """Every round gives one row to each that can take it; the last round goes by the draw."""
    given = [0] * len(limits)
    while target and any(g < limit for g, limit in zip(given, limits, strict=True)):
        takers = sorted((i for i in range(len(limits)) if given[i] < limits[i]), key=lambda i: (draw[i], i))[:target]
        for i in takers:
            given[i] += 1
        target -= len(takers)
    return given


def oracle(tree: Tree, target: int, repeats: int, seed: int) -> list[int]:
    """Recursion from the top cluster down to single leaves."""
    sizes, parents = tree
    quota = [0] * len(sizes)

    def leaves(level: int, cluster: int) -> list[int]:
        if level == 0:
            return [cluster]
        return [leaf for child in np.flatnonzero(parents[level - 1] == cluster) for leaf in leaves(level - 1, int(child))]

    def share(level: int, clusters: list[int], wanted: int) -> None:
        limits = [repeats * sum(int(sizes[leaf]) for leaf in leaves(level, c)) for c in clusters]
        bits = keyed_bits(np.array(clusters), np.full(len(clusters), level), seed=seed, method="hierarchical_quota").tolist()
        for cluster, part in zip(clusters, rounds(limits, wanted, bits), strict=True):
            if level == 0:
                quota[cluster] = part
            elif children := np.flatnonzero(parents[level - 1] == cluster).tolist():
                share(level - 1, children, part)

    top = len(parents)
    share(top, list(range(len(sizes) if not top else int(parents[-1].max()) + 1)), target)
    return quota


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(0, 80), st.data())
@settings(deadline=None)
def test_a_cut_against_rounds(limits: list[int], target: int, data: st.DataObject):
    draw = data.draw(st.lists(st.integers(0, 5), min_size=len(limits), max_size=len(limits)))
    quota = cut_quotas(np.array(limits, np.int64), target, np.array(draw, np.int64))
    assert quota.tolist() == rounds(limits, target, draw)


@given(trees(), st.integers(0, 80), st.integers(1, 3), st.integers(0, 3))
@settings(deadline=None)
def test_a_tree_against_recursion(tree: Tree, target: int, repeats: int, seed: int):
    assert leaf_quotas(*tree, target, repeats=repeats, seed=seed).tolist() == oracle(tree, target, repeats, seed)


@given(trees(), st.integers(0, 40), st.integers(0, 40))
@settings(deadline=None)
def test_quotas_add_up_and_only_grow_with_the_target(tree: Tree, one: int, other: int):
    small, large = (leaf_quotas(*tree, target) for target in sorted((one, other)))
    assert int(small.sum()) == min(one, other, int(tree[0].sum()))
    assert (small <= tree[0]).all()
    assert (small <= large).all()


def test_a_cut_by_hand():
    # 100 rows over 10, 50, 200: at 45 they give 10 + 45 + 45.
    assert cut_quotas(np.array([10, 50, 200]), 100, np.arange(3)).tolist() == [10, 45, 45]
    assert cut_quotas(np.array([10, 50, 200]), 101, np.array([0, 9, 1])).tolist() == [10, 45, 46]


def test_a_level_changes_what_a_crowd_of_small_clusters_gets():
    sizes = np.array([9, 9, 9, 9])
    assert sorted(leaf_quotas(sizes, [], 8).tolist()) == [2, 2, 2, 2]
    assert leaf_quotas(sizes, [np.array([0, 0, 0, 1])], 8, seed=1).tolist()[3] == 4


def test_the_seed_names_who_gets_the_remainder():
    found = {tuple(leaf_quotas(np.full(6, 9), [], 7, seed=seed).tolist()) for seed in range(30)}
    assert len(found) == 6


def test_large_numbers_do_not_overflow():
    quota = leaf_quotas(np.full(1000, 10**12), [np.arange(1000) % 7], 10**13)
    assert int(quota.sum()) == 10**13


@pytest.mark.parametrize(
    ("sizes", "parents", "message"),
    [
        ([3, -1], [], "cluster 1 has -1"),
        ([3, 1], [[0]], "level 1 has 2 clusters, of which 1"),
        ([3, 1], [[0, -1]], "a parent >= 0"),
        ([3, 1], [[0, 2], [0, 0]], "level 2 has 2 clusters; level 1 names number 2"),
    ],
)
def test_levels_that_do_not_fit_are_refused(sizes: list[int], parents: list[list[int]], message: str):
    with pytest.raises(SchemaError, match=message):
        leaf_quotas(np.array(sizes), [np.array(parent) for parent in parents], 3)
