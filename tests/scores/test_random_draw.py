"""Random numbers of uids: exact, uniform, nested and independent of everything but uid and seed."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.filters.threshold import threshold_filter
from curation_assets.scores.random_draw import SCORE, random_draw
from curation_assets.spec import Fraction

MASK = 2**64 - 1
halves = st.integers(-(2**63), 2**63 - 1)


def split_mix(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def oracle(hi: int, lo: int, seed: int) -> float:
    """The draw in whole numbers; the division is exact because a double holds 53 bits."""
    key = hashlib.sha256(f"{seed}\0random_draw".encode()).digest()
    first, second = (int.from_bytes(key[at : at + 8], "little") for at in (0, 8))
    bits = split_mix((split_mix((hi & MASK) ^ first) + ((lo & MASK) ^ second)) & MASK)
    return (bits // 2**11) / 2**53


def uids(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(-(2**63), 2**63 - 1, n), rng.integers(-(2**63), 2**63 - 1, n)


@given(st.lists(st.tuples(halves, halves), min_size=1, max_size=5), st.integers(-(2**40), 2**40))
def test_against_whole_numbers(pairs: list[tuple[int, int]], seed: int):
    hi, lo = (np.array(half, np.int64) for half in zip(*pairs, strict=True))
    assert random_draw(hi, lo, seed=seed).tolist() == [oracle(h, m, seed) for h, m in pairs]


def test_the_largest_bits_are_still_below_one(monkeypatch: pytest.MonkeyPatch):
    bits = np.array([MASK, 0, 2**11, 2**11 - 1], np.uint64)
    monkeypatch.setattr("curation_assets.algorithms.keyed_uniform.keyed_bits", lambda hi, lo, *, seed, method: bits)
    assert random_draw(np.zeros(4, np.int64), np.zeros(4, np.int64)).tolist() == [1 - 2**-53, 0, 2**-53, 0]
    assert float(MASK) / 2**64 == 1  # what all 64 bits would give


def test_draws_are_uniform():
    drawn = np.sort(random_draw(*uids(20_000)))
    # Kolmogorov's distance of n uniform numbers is above 1.95 / sqrt(n) with probability 0.001.
    assert np.abs(drawn - (np.arange(20_000) + 0.5) / 20_000).max() < 1.95 / np.sqrt(20_000)


def test_neighbouring_uids_and_seeds_are_independent():
    hi = np.zeros(20_000, np.int64)
    here = random_draw(hi, np.arange(20_000))
    assert abs(np.corrcoef(here[:-1], here[1:])[0, 1]) < 0.03  # four standard deviations
    assert abs(np.corrcoef(here, random_draw(hi, np.arange(20_000), seed=1))[0, 1]) < 0.03


def test_a_draw_does_not_depend_on_the_rows_beside_it():
    hi, lo = uids(50)
    whole = random_draw(hi, lo)
    assert [float(random_draw(hi[i : i + 1], lo[i : i + 1])[0]) for i in range(50)] == whole.tolist()


def test_a_fraction_takes_the_smallest():
    (fraction,) = threshold_filter(SCORE, "random_draw").conditions(top_fraction=0.5)
    assert fraction == Fraction("random_draw", 0.5, "low", "source")
