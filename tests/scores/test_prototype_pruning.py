"""Balanced pruning: against sets built row by row, with and without balance."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.order_statistics import fraction_cut
from curation_assets.scores.prototype_pruning import prototype_pruning

rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(-2, 2), st.integers(-9, 9)),
    min_size=1,
    max_size=30,
    unique_by=lambda row: row[2:],
)
Row = tuple[int, int, int, int]


def columns(of: list[Row]) -> list[np.ndarray]:
    return [np.array(column) for column in zip(*of, strict=True)]


def kept_by_hand(of: list[Row], fraction: float, balance: float) -> set[int]:
    best = sorted(range(len(of)), key=lambda i: (-of[i][1], of[i][2] % 2**64, of[i][3] % 2**64))
    wanted, clusters = math.floor(fraction * len(of) + 1e-9), {row[0] for row in of}
    kept: set[int] = set()
    for cluster in clusters:
        members = [i for i in best if of[i][0] == cluster]
        kept |= set(members[: int(wanted / len(clusters) * balance)])
    for i in best:
        if len(kept) < wanted:
            kept.add(i)
    return kept


@given(rows, st.sampled_from([0.1, 0.3, 0.5, 0.9, 1.0]), st.sampled_from([0.0, 0.5, 1.0]))
@settings(deadline=None, max_examples=150)
def test_against_sets(of: list[Row], fraction: float, balance: float):
    found = prototype_pruning(*columns(of), keep_fraction=fraction, min_share=balance)
    assert found.dtype == np.int64
    assert set(np.flatnonzero(found <= -1).tolist()) == kept_by_hand(of, fraction, balance)
    assert sorted(found) == list(range(int(found.min()), int(found.min()) + len(of)))


@pytest.mark.parametrize("n", [1, 10, 333])
def test_without_balance_it_is_the_fraction_of_the_pool(n: int):
    rng = np.random.default_rng(n)
    preference, uid = rng.integers(0, 9, n).astype(float), rng.permutation(n)
    found = prototype_pruning(rng.integers(0, 7, n), preference, uid, uid, keep_fraction=0.3, min_share=0)
    cut = fraction_cut(preference, uid, uid, 0.3)
    kept = (preference > cut.value) | ((preference == cut.value) & (uid <= cut.last_uid[0])) if cut.rows else preference < 0
    assert np.array_equal(found <= -1, kept)
