"""Samples drawn by keyed hash: exact size, nested, independent of order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.identity import keyed_bits, uid_halves
from curation_assets.algorithms.sampling import automatic_clusters, keyed_sample

populations = st.lists(st.integers(0, 2**128 - 1), max_size=30, unique=True)


def drawn(numbers: list[int], size: int, seed: int = 0, method: str = "m") -> list[int]:
    """The uids of a sample, in its order."""
    hi, lo = uid_halves([number.to_bytes(16, "big") for number in numbers])
    return [numbers[i] for i in keyed_sample(hi, lo, size, seed=seed, method=method)]


@given(populations, st.integers(0, 35), st.integers(0, 3))
@settings(deadline=None)
def test_a_sample_is_the_rows_with_the_smallest_draws_ascending_by_uid(numbers: list[int], size: int, seed: int):
    hi, lo = uid_halves([number.to_bytes(16, "big") for number in numbers])
    bits = keyed_bits(hi, lo, seed=seed, method="m").tolist()
    smallest = sorted(range(len(numbers)), key=lambda i: (bits[i], numbers[i]))[:size]
    assert drawn(numbers, size, seed) == sorted(numbers[i] for i in smallest)


@given(populations, st.integers(0, 30), st.integers(0, 30), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_samples_are_nested_and_do_not_depend_on_order(numbers: list[int], a: int, b: int, random):
    small, large = (drawn(numbers, size) for size in sorted((a, b)))
    assert set(small) <= set(large)
    shuffled = list(numbers)
    random.shuffle(shuffled)
    assert drawn(shuffled, a) == drawn(numbers, a)


@given(populations, populations, st.integers(0, 10))
@settings(deadline=None)
def test_new_rows_only_displace(numbers: list[int], more: list[int], size: int):
    grown = numbers + [number for number in more if number not in numbers]
    assert set(drawn(grown, size)) & set(numbers) <= set(drawn(numbers, size))


def test_two_uses_of_one_seed_draw_different_rows():
    numbers = list(range(1000))
    samples = [set(drawn(numbers, 500, seed, method)) for seed, method in ((0, "a"), (0, "b"), (1, "a"))]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert 200 < len(samples[i] & samples[j]) < 300  # expected 250, standard deviation 11


def test_every_row_is_drawn_equally_often():
    counts = np.zeros(20)
    for seed in range(400):
        counts[drawn(list(range(20)), 5, seed)] += 1
    assert 60 < counts.min() <= counts.max() < 140  # expected 100, standard deviation 8.7


@pytest.mark.parametrize(
    ("samples", "clusters"), [(0, 1), (1, 1), (2, 1), (3, 2), (10_000, 100), (12_800_000, 3_578), (440_000_000, 20_976)]
)
def test_automatic_clusters_are_the_square_root(samples: int, clusters: int):
    assert automatic_clusters(samples) == clusters
