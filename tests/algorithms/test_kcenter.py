"""k-center greedy: against loops, against the best choice on small cases, and the reference's picks."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.kcenter import Cover, cover
from tests.conftest import SHARED

FOLDER = SHARED / "vectors" / "kcenter"


def drawn(n: int, d: int, seed: int) -> np.ndarray:
    """Points of a coarse lattice, so that many coincide and many distances are equal."""
    return np.random.default_rng(seed).integers(-2, 3, (n, d)).astype(np.float32) / 4


def loops(points: np.ndarray, start: list[int], place: np.ndarray, most: int) -> tuple[list[int], list[float]]:
    picked, radius, taken = [], [], list(start)
    while len(picked) < most and len(taken) < len(points):
        reach = {
            row: min(float(((points[row].astype(float) - points[t].astype(float)) ** 2).sum()) for t in taken)
            for row in range(len(points))
            if row not in taken
        }
        best = min(reach, key=lambda row: (-reach[row], place[row]))
        picked.append(best)
        radius.append(reach[best] ** 0.5)
        taken.append(best)
    return picked, radius


@given(st.integers(1, 20), st.integers(1, 4), st.integers(0, 10**6), st.integers(1, 3), st.integers(0, 25))
@settings(deadline=None, max_examples=60)
def test_against_loops(n: int, d: int, seed: int, starts: int, most: int):
    points, place = drawn(n, d, seed), np.random.default_rng(seed).permutation(n)
    start = np.unique(place[:starts])
    found = cover(points, start, place, most)
    picked, radius = loops(points, start.tolist(), place, most)
    assert found.picked.tolist() == picked
    np.testing.assert_allclose(found.radius, radius)
    assert not found.distance[[*start, *picked]].any()
    assert (np.diff(found.radius) <= 0).all()
    assert found.distance.max() <= found.radius.min(initial=np.inf)


def test_neither_order_nor_blocks_change_a_bit(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    points, order = rng.normal(size=(500, 67)).astype(np.float32), rng.permutation(500)
    place = np.arange(500)
    whole = cover(points, np.array([order[0]]), place, 60)
    monkeypatch.setattr("curation_assets.algorithms.kcenter._BLOCK_ROWS", 7)
    shuffled = cover(points[order], np.array([0]), place[order], 60)
    assert np.array_equal(order[shuffled.picked], whole.picked)
    assert np.array_equal(shuffled.radius, whole.radius)
    assert np.array_equal(shuffled.distance, whole.distance[order])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_far_from_the_origin_the_screen_misses_nothing(scale: float):
    # Products are large beside distances, so that float32 cannot tell the rows apart.
    points = np.float32(scale * (100 + np.random.default_rng(1).normal(size=(200, 9))))
    found = cover(points, np.array([3]), np.arange(200), 30)
    assert found.picked.tolist() == loops(points, [3], np.arange(200), 30)[0]


@pytest.mark.parametrize("seed", range(8))
def test_no_choice_has_less_than_half_the_radius(seed: int):
    points, k = np.random.default_rng(seed).normal(size=(9, 2)).astype(np.float32), 3
    apart = np.linalg.norm(points[:, None].astype(float) - points[None], axis=2)
    best = min(apart[list(choice)].min(axis=0).max() for choice in itertools.combinations(range(9), k))
    found: Cover = cover(points, np.array([0]), np.arange(9), k - 1)
    assert best <= found.distance.max() + 1e-9 <= 2 * best + 1e-8


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared numbers are not on this machine")
def test_picks_of_the_reference():
    """stanford-futuredata/selection-via-proxy at 348f90ac; rows 7 and 50 are equal, ties go to the lowest index."""
    points, cases = np.load(FOLDER / "X.npy"), json.loads((FOLDER / "expected.json").read_text())
    assert len(cases) == 3
    for case in cases:
        found = cover(points, np.array(case["seed"]), np.arange(len(points)), case["budget"])
        assert found.picked.tolist() == case["selected"]
