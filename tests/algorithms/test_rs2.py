"""Repeated random subsets: sizes, fairness, and the windows against lists."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.identity import keyed_bits
from curation_assets.algorithms.rs2 import rs2_epochs
from curation_assets.errors import SchemaError

sizes = st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


def uids(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n) - n // 2, np.arange(n) * 7


def oracle(n: int, size: int, epochs: int, seed: int) -> list[list[int]]:
    """One row at a time: the first of the pass that the epoch does not have yet; a new pass when one is used up."""
    waiting, number, found = [], 0, []
    for _ in range(epochs):
        epoch = []
        while len(epoch) < size:
            if not waiting:
                bits = keyed_bits(*uids(n), seed=seed, method=f"rs2 pass {number}").tolist()
                waiting, number = sorted(range(n), key=bits.__getitem__), number + 1
            epoch.append(next(row for row in waiting if row not in epoch))
            waiting.remove(epoch[-1])
        found.append(epoch)
    return found


@given(sizes, st.integers(0, 15), st.integers(0, 5))
@settings(deadline=None)
def test_epochs_against_lists(size: tuple[int, int], epochs: int, seed: int):
    found = [rows.tolist() for rows in rs2_epochs(*uids(size[0]), size=size[1], epochs=epochs, seed=seed)]
    assert found == oracle(*size, epochs, seed)


@given(sizes, st.integers(1, 15))
@settings(deadline=None)
def test_no_row_comes_twice_in_an_epoch_or_before_all_others(size: tuple[int, int], epochs: int):
    seen = Counter(range(size[0]))
    for rows in rs2_epochs(*uids(size[0]), size=size[1], epochs=epochs, seed=1):
        assert len(set(rows.tolist())) == size[1]
        seen.update(rows.tolist())
        assert max(seen.values()) - min(seen.values()) <= 1


def test_passes_have_orders_of_their_own_and_rows_keep_theirs():
    n, uid = 200, uids(200)
    first, second = rs2_epochs(*uid, size=n, epochs=2, seed=0)
    assert np.count_nonzero(first == second) < 10
    order = np.random.default_rng(0).permutation(n)
    shuffled = list(rs2_epochs(uid[0][order], uid[1][order], size=60, epochs=5, seed=0))
    for rows, again in zip(rs2_epochs(*uid, size=60, epochs=5, seed=0), shuffled, strict=True):
        assert rows.tolist() == order[again].tolist()


def test_with_replacement_epochs_are_drawn_independently():
    epochs = [set(rows.tolist()) for rows in rs2_epochs(*uids(1000), size=500, epochs=3, seed=0, replacement=True)]
    assert [len(rows) for rows in epochs] == [500] * 3
    assert 200 < len(epochs[0] & epochs[1]) < 300  # expected 250, standard deviation 8
    assert not epochs[0].isdisjoint(epochs[1]), "without replacement the second half would be new"


@pytest.mark.parametrize(("n", "size"), [(0, 1), (5, 6), (5, 0)])
@pytest.mark.parametrize("replacement", [False, True])
def test_more_rows_than_there_are_cannot_be_drawn(n: int, size: int, replacement: bool):
    with pytest.raises(SchemaError, match=f"an epoch of {size} different rows cannot be drawn from {n}"):
        next(rs2_epochs(*uids(n), size=size, epochs=1, seed=0, replacement=replacement))
