"""Uids as halves and hex digits, their unsigned order, and the random numbers that belong to them."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.identity import (
    Halves,
    keyed_bits,
    uid_digest,
    uid_halves,
    uid_hex,
    uid_order,
    uid_places,
)
from curation_assets.errors import SchemaError

MASK = 2**64 - 1
EDGES = [0, 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**127 - 1, 2**127, 2**128 - 1]
uids = st.lists(st.sampled_from(EDGES) | st.integers(0, 2**128 - 1), max_size=20)


def halves_of(numbers: list[int]) -> Halves:
    return uid_halves([number.to_bytes(16, "big") for number in numbers])


def mixed(x: int) -> int:
    """Finaliser of SplitMix64 on Python integers, after Steele, Lea and Flood 2014, figure 17."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def bits_of(uid: int, seed: int, method: str) -> int:
    key = hashlib.sha256(f"{seed}\0{method}".encode()).digest()
    first, second = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:16], "little")
    return mixed(mixed(uid >> 64 ^ first) + (uid & MASK ^ second) & MASK)


@given(uids)
@settings(deadline=None)
def test_uids_come_back_as_hex_digits(numbers: list[int]):
    hi, lo = halves_of(numbers)
    assert hi.dtype == lo.dtype == np.int64
    assert hi.flags.c_contiguous
    assert uid_hex(hi, lo) == [f"{number:032x}" for number in numbers]


@given(uids)
@settings(deadline=None)
def test_order_is_that_of_unsigned_128_bit_numbers(numbers: list[int]):
    order = uid_order(*halves_of(numbers)).tolist()
    assert order == sorted(range(len(numbers)), key=lambda i: numbers[i]), "equal uids keep their order"


def test_datacomp_order_of_extreme_uids():
    # mlfoundations/datacomp at 4a8df199 sorts its u8,u8 files as these are sorted.
    hexes = [
        "0000000000000000ffffffffffffffff",
        "00000000000000010000000000000000",
        "139e4a9b22a614771f06c700a8ebe150",
        "6e356964a967af455c8016b75d691203",
        "ffffffffffffffff0000000000000000",
    ]
    hi, lo = uid_halves([bytes.fromhex(text) for text in reversed(hexes)])
    order = uid_order(hi, lo)
    assert uid_hex(hi[order], lo[order]) == hexes


@pytest.mark.parametrize("wrong", [[b""], [b"a" * 15], [b"a" * 15, b"b" * 17], [b"a" * 16, b"b" * 32], [b"a" * 8, b"b" * 24]])
def test_uids_of_another_length_are_refused(wrong: list[bytes]):
    # 15 + 17 bytes are as many as two uids have.
    with pytest.raises(SchemaError, match=r"a uid is 16 bytes long; lengths found: \["):
        uid_halves(wrong)


@given(uids, st.integers(0, 2**70), st.text(max_size=5))
@settings(deadline=None)
def test_random_bits_are_those_of_the_oracle(numbers: list[int], seed: int, method: str):
    bits = keyed_bits(*halves_of(numbers), seed=seed, method=method)
    assert bits.dtype == np.uint64
    assert bits.tolist() == [bits_of(number, seed, method) for number in numbers]


@given(uids, st.integers(0, 20))
@settings(deadline=None)
def test_random_bits_do_not_depend_on_order_or_splitting(numbers: list[int], where: int):
    hi, lo = halves_of(numbers)
    whole = keyed_bits(hi, lo, seed=1, method="m")
    parts = [keyed_bits(hi[part], lo[part], seed=1, method="m") for part in (slice(where), slice(where, None))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(keyed_bits(hi[::-1], lo[::-1], seed=1, method="m"), whole[::-1])


def uniform(hi: np.ndarray, lo: np.ndarray, *, seed: int, method: str) -> np.ndarray:
    """The drawn bits as numbers in [0, 1)."""
    return (keyed_bits(hi, lo, seed=seed, method=method) >> np.uint64(11)) * 2.0**-53


def test_seed_and_method_name_independent_draws():
    hi, lo = np.arange(4000), np.zeros(4000, np.int64)
    draws = [uniform(hi, lo, seed=seed, method=method) for seed in (0, 1) for method in ("a", "b")]
    correlations = np.corrcoef(draws)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 0.06  # 4 standard deviations of 1 / sqrt(4000)


@pytest.mark.parametrize("which", ["high half counts", "low half counts"])
def test_uniform_even_over_counted_uids(which: str):
    # Neighbouring uids are the hard case for a hash: only a few of their bits differ.
    n, bins = 20_000, 50
    counted, zero = np.arange(n), np.zeros(n, np.int64)
    u = uniform(*((counted, zero) if which == "high half counts" else (zero, counted)), seed=3, method="m")
    assert u.min() >= 0
    assert u.max() < 1
    observed = np.histogram(u, bins=bins, range=(0, 1))[0]
    chi_squared = float(((observed - n / bins) ** 2 / (n / bins)).sum())
    assert 15 < chi_squared < 100  # 49 degrees of freedom: outside with probability below 1e-5
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / np.sqrt(n)


def test_digest_tells_order_and_values_apart():
    hi, lo = halves_of([1, 2, 2**127])
    same = uid_digest(hi.copy(), lo.copy())
    assert uid_digest(hi, lo) == same
    assert len(same) == 32
    others = [uid_digest(hi[::-1], lo[::-1]), uid_digest(lo, hi), uid_digest(hi[:2], lo[:2]), uid_digest(hi[:0], lo[:0])]
    assert len({same, *others}) == 5


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=12), st.data())
def test_places_of_uids_are_those_of_a_list(uids: list[tuple[int, int]], data: st.DataObject):
    wanted = data.draw(st.lists(st.sampled_from(uids), max_size=12))
    halves = [np.array(u, np.int64).reshape(-1, 2).T for u in (uids, wanted)]
    assert uid_places(*(tuple(h) for h in halves), "row").tolist() == [uids.index(u) for u in wanted]


def test_a_uid_without_a_place_is_named():
    one, other = (np.array([1]), np.array([2])), (np.array([1, 1]), np.array([2, -1]))
    with pytest.raises(SchemaError, match=r"row has the uid 0{15}1f{16}, which no row has \(1 of 2 are unknown\)"):
        uid_places(one, other, "row")
