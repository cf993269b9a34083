"""Exact fractions, in memory and streamed, against a full sort on (value, uid), and how DataComp's threshold differs."""

import json
import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.decisions import Rows, holds
from curation_assets.algorithms.order_statistics import (
    Cut,
    Shard,
    fraction_cut,
    fraction_rows,
    parity_rank,
    streamed_cut,
    value_words,
)
from curation_assets.errors import LakeError, SchemaError
from curation_assets.spec import Condition

THRESHOLD_CASES = Path(__file__).parents[2] / ".." / "shared" / "vectors" / "datacomp" / "threshold_cases.json"
# Few values, so that ties are common.
NUMBERS = (-math.inf, -2.5, -0.0, 0.0, 0.1, 0.28, 7.0, math.inf)
fractions = st.sampled_from([0.0, 0.1, 0.29, 1 / 3, 0.5, 0.999, 1.0]) | st.floats(0, 1)
directions = st.sampled_from(["high", "low"])
# Values and uids that differ in their last bits only, and some that differ everywhere.
CLOSE_NUMBERS = (0.28, 0.28 + 2**-54, 0.28 + 2**-53, -2.5 - 2**-50, 1.0, 1 + 2**-20, 1 + 2**-40, 5e-324, -5e-324, 1e308, 7.0)
halves = st.sampled_from([0, 1, 2, 2**16, 2**40 + 1, 2**63 - 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
numbers = st.sampled_from([*NUMBERS, math.nan]) | st.sampled_from(CLOSE_NUMBERS) | st.floats()
settings_of_a_stream = st.fixed_dictionaries(
    {"most_candidates": st.integers(0, 8) | st.just(1_000_000), "most_buckets": st.integers(2, 6) | st.just(65_536)}
)


@st.composite
def populations(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of some dtype with distinct uids, of which many have the high bit set."""
    size = draw(st.integers(0, 30))
    uids = draw(st.lists(st.integers(1, 2**128 - 1), min_size=size, max_size=size, unique=True))
    halves = [np.array([uid >> shift & (2**64 - 1) for uid in uids], np.uint64).view(np.int64) for shift in (64, 0)]
    if draw(st.booleans()):
        value = draw(st.lists(st.integers(-3, 3), min_size=size, max_size=size))
        return np.array(value, np.int32), *halves
    value = draw(st.lists(st.sampled_from([*NUMBERS, math.nan]), min_size=size, max_size=size))
    return np.array(value, draw(st.sampled_from([np.float32, np.float64]))), *halves


def best_rows(value: np.ndarray, uid_hi: np.ndarray, uid_lo: np.ndarray, rows: int, keep: str) -> list[int]:
    """Indices of the best rows, by sorting all of them on (value, uid)."""
    measured = [i for i in range(len(value)) if value[i] == value[i]]
    sign = -1 if keep == "high" else 1
    uid = [(int(hi) % 2**64, int(lo) % 2**64) for hi, lo in zip(uid_hi, uid_lo, strict=True)]
    return sorted(measured, key=lambda i: (sign * float(value[i]), uid[i]))[:rows]


def kept_by(cut: Cut, value: np.ndarray, uid_hi: np.ndarray, uid_lo: np.ndarray, keep: str) -> list[int]:
    """Rows that pass the condition which a cut means."""
    condition = Condition("x", ">=" if keep == "high" else "<=", cut.value, cut.last_uid)
    column = pa.array(value, from_pandas=True)
    return np.flatnonzero(holds(condition, Rows({"x": column}, uid_hi, uid_lo))[0]).tolist()


@given(populations(), fractions, directions)
@settings(max_examples=300, deadline=None)
def test_a_cut_keeps_exactly_the_best_rows(population: tuple[np.ndarray, ...], fraction: float, keep: str):
    value, uid_hi, uid_lo = population
    cut = fraction_cut(value, uid_hi, uid_lo, fraction, keep)
    measured = sum(float(v) == float(v) for v in value)
    best = best_rows(value, uid_hi, uid_lo, cut.rows, keep)
    assert (cut.population, cut.rows) == (measured, fraction_rows(fraction, measured))
    if cut.rows == 0:
        assert (cut.value, cut.last_uid) == (None, (0, 0))
        return
    last = best[-1]
    assert cut.value == float(value[last])
    assert cut.last_uid == (int(uid_hi[last]) % 2**64, int(uid_lo[last]) % 2**64)
    assert kept_by(cut, value, uid_hi, uid_lo, keep) == sorted(best)
    assert len(best) == cut.rows


@given(populations(), fractions, directions, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_order_of_rows_does_not_matter(population: tuple[np.ndarray, ...], fraction: float, keep: str, random):
    order = list(range(len(population[0])))
    random.shuffle(order)
    shuffled = tuple(part[order] for part in population)
    assert fraction_cut(*shuffled, fraction, keep) == fraction_cut(*population, fraction, keep)


@given(populations(), fractions, fractions, directions)
@settings(max_examples=100, deadline=None)
def test_a_larger_fraction_keeps_every_row_of_a_smaller_one(population: tuple[np.ndarray, ...], a: float, b: float, keep: str):
    small, large = (fraction_cut(*population, fraction, keep) for fraction in sorted((a, b)))
    if small.rows:
        assert set(kept_by(small, *population, keep)) <= set(kept_by(large, *population, keep))


@pytest.mark.parametrize(
    ("fraction", "population", "rows"),
    [
        (0.29, 100, 29),  # 0.29 * 100 is 28.999999999999996
        (0.57, 100, 57),
        (0.1, 3, 0),
        (1 / 3, 3, 1),
        (0.999, 1000, 999),
        (0.999, 10, 9),
        (0.0, 7, 0),
        (1.0, 7, 7),
        (1.0, 0, 0),
        (0.3, 12_800_000, 3_840_000),
        (0.29, 10_000_000_000, 2_900_000_000),
    ],
)
def test_rows_that_a_fraction_keeps(fraction: float, population: int, rows: int):
    assert fraction_rows(fraction, population) == rows


@given(st.integers(1, 1000), st.integers(1, 2000))
@settings(max_examples=300, deadline=None)
def test_a_fraction_written_with_three_digits_is_exact(thousandths: int, population: int):
    assert fraction_rows(thousandths / 1000, population) == thousandths * population // 1000


def test_all_equal_values_are_cut_by_uid():
    uid_hi = np.array([-1, 0, 5, -(2**63)], np.int64)  # unsigned: largest, smallest, second, third
    cut = fraction_cut(np.full(4, 0.5, np.float32), uid_hi, np.zeros(4, np.int64), 0.75)
    assert cut == Cut(4, 3, 0.5, (2**63, 0))


def test_repeated_uids_with_equal_values_stand_or_fall_together():
    # A uid twice in a population cannot be told apart by a cut; ingest rejects it within a shard.
    cut = fraction_cut(np.ones(3, np.float32), np.array([1, 1, 2]), np.zeros(3, np.int64), 1 / 3)
    assert cut == Cut(3, 1, 1.0, (1, 0))
    assert kept_by(cut, np.ones(3, np.float32), np.array([1, 1, 2]), np.zeros(3, np.int64), "high") == [0, 1]


def holds_exactly(kind: str, values: np.ndarray) -> bool:
    if kind == "i8" and np.any(np.abs(values) > 2**53):
        return False
    with np.errstate(all="ignore"):
        return np.array_equal(values.astype(kind), values, equal_nan=kind[0] == "f")


@st.composite
def sharded(draw: st.DrawFn) -> list[Shard]:
    """Rows in shards of any length, each in some type of number that holds its values; uids may come twice."""
    value = st.sampled_from(draw(st.lists(numbers, min_size=1, max_size=4))) if draw(st.booleans()) else numbers
    shards = []
    for rows in draw(st.lists(st.lists(st.tuples(value, halves, halves), max_size=12), max_size=5)):
        values = np.array([row[0] for row in rows], np.float64)
        kinds = [kind for kind in ("f8", "f4", "i8", "i4") if holds_exactly(kind, values)]
        values = values.astype(draw(st.sampled_from(kinds)))
        shards.append((values, *(np.array([row[i] for row in rows], np.uint64).view(np.int64) for i in (1, 2))))
    return shards


class Passes:
    """A population that counts how often it is gone through."""

    def __init__(self, shards: list[Shard]):
        self.shards, self.count = shards, 0

    def __call__(self) -> Iterator[Shard]:
        self.count += 1
        yield from self.shards


def concatenated(shards: list[Shard]) -> Shard:
    empty = (np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    return tuple(np.concatenate(parts) for parts in zip(empty, *shards, strict=True))


@given(sharded(), fractions, directions, settings_of_a_stream)
@settings(max_examples=600, deadline=None)
def test_shards_are_cut_as_all_rows_sorted(shards: list[Shard], fraction: float, keep: str, budget: dict[str, int]):
    population = Passes(shards)
    cut = streamed_cut(population, fraction, keep, **budget)
    value, uid_hi, uid_lo = concatenated(shards)
    best = best_rows(value, uid_hi, uid_lo, cut.rows, keep)
    measured = sum(float(v) == float(v) for v in value)
    assert (cut.population, cut.rows) == (measured, fraction_rows(fraction, measured))
    if best:
        assert cut.value == float(value[best[-1]])
        assert cut.last_uid == (int(uid_hi[best[-1]]) % 2**64, int(uid_lo[best[-1]]) % 2**64)
    else:
        assert (cut.value, cut.last_uid) == (None, (0, 0))
    assert repr(cut) == repr(fraction_cut(value, uid_hi, uid_lo, fraction, keep))  # also 0.0 and -0.0 alike
    bits_settled_by_a_pass = budget["most_buckets"].bit_length() - 1
    assert population.count <= 3 * math.ceil(64 / bits_settled_by_a_pass)


def with_parity(value: np.ndarray, fraction: float, keep: str) -> list[int]:
    """Rows that DataComp's rule keeps of those that have a value, by counting for each row how many are better."""
    measured = [i for i in range(len(value)) if value[i] == value[i]]
    sign = 1 if keep == "high" else -1
    better = {i: sum(sign * float(value[j]) > sign * float(value[i]) for j in measured) for i in measured}
    return [i for i in measured if better[i] < min(len(measured), int(len(measured) * fraction) + 1)]


@given(sharded(), fractions, directions, settings_of_a_stream)
@settings(max_examples=150, deadline=None)
def test_parity_keeps_one_row_more_and_all_ties(shards: list[Shard], fraction: float, keep: str, budget: dict[str, int]):
    rows = concatenated(shards)
    expected = with_parity(rows[0], fraction, keep)
    population = Passes(shards)
    cut = streamed_cut(population, fraction, keep, is_parity=True, **budget)
    assert repr(cut) == repr(fraction_cut(*rows, fraction, keep, is_parity=True))
    assert cut.rows == len(expected)
    if expected:
        assert kept_by(cut, *rows, keep) == expected
        assert parity_rank(fraction, cut.population) <= cut.rows <= cut.population
    assert population.count <= 2 + math.ceil(64 / (budget["most_buckets"].bit_length() - 1)), "uids are not looked at"


def test_parity_counts_ties_without_holding_them():
    population = Passes([(np.full(50, -0.5), np.full(50, -1), np.full(50, 3)), (np.full(9, 2.0), np.arange(9), np.arange(9))])
    cut = streamed_cut(population, 0.1, is_parity=True, most_candidates=10)
    assert cut == Cut(59, 9, 2.0, (2**64 - 1, 2**64 - 1))
    cut = streamed_cut(population, 0.5, is_parity=True, most_candidates=10)
    assert cut == Cut(59, 59, -0.5, (2**64 - 1, 2**64 - 1))
    assert population.count == 2, "one each: a single value is counted and never collected"


@given(sharded(), fractions, directions, settings_of_a_stream, st.data())
@settings(max_examples=100, deadline=None)
def test_shards_may_come_in_any_order_and_split(shards: list[Shard], fraction: float, keep: str, budget: dict[str, int], data):
    rows = concatenated(data.draw(st.permutations(shards)))
    order = np.array(data.draw(st.permutations(range(len(rows[0])))), int)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=4)))
    split = [tuple(column[part] for column in rows) for part in np.split(order, cuts)]
    assert repr(streamed_cut(lambda: split, fraction, keep, **budget)) == repr(streamed_cut(lambda: shards, fraction, keep))


@given(st.lists(st.floats(allow_nan=False), max_size=20))
def test_words_are_ordered_as_the_values(value: list[float]):
    low, high = (value_words(np.array(value, float), keep).tolist() for keep in ("low", "high"))
    assert [[a < b for a in low] for b in low] == [[a < b for a in value] for b in value]
    assert high == [2**64 - 1 - word for word in low]


def uids(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(rng.integers(-(2**63), 2**63, rows) for _ in range(2))


@pytest.mark.parametrize("keep", ["high", "low"])
@pytest.mark.parametrize(
    ("values", "passes"),
    [
        (lambda rng, n: rng.normal(0.28, 0.05, n).astype(np.float32), 2),  # CLIP scores
        (lambda rng, n: rng.normal(0, 1, n), 2),
        (lambda rng, n: rng.lognormal(6, 0.7, n).astype(np.int32), 2),  # pixels: fewer ties than candidates
        (lambda rng, n: np.where(rng.random(n) < 0.9, np.nan, rng.random(n)), 2),
        (lambda rng, n: rng.choice(np.int32([224, 256, 512]), n), 3),  # ties: their uids are counted too
        (lambda rng, n: np.full(n, 0.5, np.float32), 3),
    ],
)
def test_passes_that_a_typical_population_takes(values, passes: int, keep: str):
    """A thousandth of the rows fit in memory, as 10^6 of 10^9 would."""
    rng = np.random.default_rng(5)
    value = values(rng, 200_000)
    shards = [tuple(part) for part in zip(*(np.array_split(c, 7) for c in (value, *uids(rng, len(value)))), strict=True)]
    population = Passes(shards)
    cut = streamed_cut(population, 0.3, keep, most_candidates=200 if value.dtype != np.int32 or passes == 3 else 1000)
    assert population.count == passes
    assert cut == fraction_cut(*concatenated(shards), 0.3, keep)


@pytest.mark.parametrize(("most_candidates", "passes"), [(4, 2), (3, 3)])
def test_as_many_candidates_as_may_be_held_are_held(most_candidates: int, passes: int):
    population = Passes([(np.ones(4), np.arange(4), np.arange(4))])
    assert streamed_cut(population, 0.5, most_candidates=most_candidates) == Cut(4, 2, 1.0, (1, 1))
    assert population.count == passes


def test_rows_that_cannot_be_told_apart_are_never_held():
    population = Passes([(np.full(50, -0.5), np.full(50, -1), np.full(50, 3))] * 2)
    assert streamed_cut(population, 0.5, "low", most_candidates=10) == Cut(100, 50, -0.5, (2**64 - 1, 3))
    assert population.count == 3, "one for each word, none to collect"


@pytest.mark.parametrize("is_tied", [False, True])
def test_memory_does_not_grow_with_the_population(is_tied: bool):
    """60 shards of 20,000 rows would be 29 MB together; a shard is 0.5 MB."""

    def population() -> Iterator[Shard]:
        for seed in range(60):
            rng = np.random.default_rng(seed)
            yield np.ones(20_000) if is_tied else rng.random(20_000), *uids(rng, 20_000)

    tracemalloc.start()
    cut = streamed_cut(population, 0.5, most_candidates=10_000, most_buckets=4096)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (cut.population, cut.rows) == (1_200_000, 600_000)
    assert peak < 6e6


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([1, 2**53 + 1, -(2**53) - 1]), r"2 of 3 are beyond 2\*\*53, the first is 9007199254740993 in row 1"),
        (np.array([1, 2**64 - 1, 3], np.uint64), r"1 of 3 are beyond 2\*\*53"),
        (np.array(["a", "b", "c"]), "found a column of <U1"),
        (np.ones(3, np.complex128), "found a column of complex128"),
        pytest.param(
            np.ones(3, np.longdouble),
            "found a column of float",
            marks=pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is double here"),
        ),
        (np.ones(2), "rows found: 2, uid 3 and 3"),
    ],
)
def test_values_that_have_no_exact_order_are_named(value: np.ndarray, message: str):
    uid = (np.arange(3), np.arange(3))
    for cut in (lambda: fraction_cut(value, *uid, 0.5), lambda: streamed_cut(lambda: [(value, *uid)], 0.5)):
        with pytest.raises(SchemaError, match=message):
            cut()


def test_integers_up_to_2_to_the_53_are_exact():
    value = np.array([2**53, 2**53 - 1, -(2**53)])
    cut = streamed_cut(lambda: [(value, np.arange(3), np.arange(3))], 2 / 3)
    assert cut == Cut(3, 2, 2.0**53 - 1, (1, 1))


@pytest.mark.parametrize("most_candidates", [0, 100])
def test_a_population_that_changes_between_passes_is_a_fault(most_candidates: int):
    shard = (np.arange(8.0), np.arange(8), np.arange(8))
    walk = iter([shard, shard])
    with pytest.raises(LakeError, match=r"it had [24] rows in a range of values, then 0: .* a new walk at every call"):
        streamed_cut(lambda: walk, 0.5, most_candidates=most_candidates)


def threshold_cases() -> list[dict[str, object]]:
    return json.loads(THRESHOLD_CASES.read_text(encoding="utf-8")) if THRESHOLD_CASES.is_file() else []


@pytest.mark.parametrize(
    "case", threshold_cases() or [None], ids=lambda c: f"{c['case']}-{c['dtype']}-{c['fraction']}" if c else "absent"
)
def test_difference_from_the_threshold_of_datacomp(case: dict[str, object] | None):
    """DataComp takes t = (descending sort)[int(N * f)] and keeps score >= t; N counts the rows without a score."""
    if case is None:
        pytest.skip(f"no test vectors at {THRESHOLD_CASES}")
    value = np.array([math.nan if score is None else score for score in case["scores"]], case["dtype"])
    uid = (np.zeros(len(value), np.int64), np.arange(len(value)))
    cut = fraction_cut(value, *uid, case["fraction"])
    ours = kept_by(cut, value, *uid, "high") if cut.rows else []
    measured = int(np.count_nonzero(~np.isnan(value)))
    assert len(ours) == cut.rows == fraction_rows(case["fraction"], measured)
    if case["kept"] == "IndexError":
        assert len(ours) == measured, "f = 1 is an error there, and every measured row here"
    elif case["kept"] == 0:
        assert np.isnan(value).any(), "there a NaN became the threshold, which nothing passes"
        assert len(ours) == 7
    else:
        assert case["kept"] > case["n"], "there at least one row more than the fraction is kept"
        assert set(ours) < set(case["kept_idx"])
        if case["case"] == "distinct":
            assert case["kept"] == len(ours) + 1


@pytest.mark.parametrize(
    "case", threshold_cases() or [None], ids=lambda c: f"{c['case']}-{c['dtype']}-{c['fraction']}" if c else "absent"
)
def test_parity_is_the_threshold_of_datacomp(case: dict[str, object] | None):
    """Where every row has a score; DataComp counts those without, too, and fails for all of them."""
    if case is None:
        pytest.skip(f"no test vectors at {THRESHOLD_CASES}")
    value = np.array([math.nan if score is None else score for score in case["scores"]], case["dtype"])
    uid = (np.zeros(len(value), np.int64), np.arange(len(value)))
    cut = fraction_cut(value, *uid, case["fraction"], is_parity=True)
    streamed = streamed_cut(
        lambda: [(value[i : i + 3], *(u[i : i + 3] for u in uid)) for i in (0, 3, 6, 9)], case["fraction"], is_parity=True
    )
    assert streamed == cut
    if np.isnan(value).any() or case["threshold"] is None:
        assert np.isnan(value).any() or cut.rows == len(value), "all rows, where the reference ends with an IndexError"
    else:
        assert cut.value == value.dtype.type(case["threshold"])
        assert sorted(kept_by(cut, value, *uid, "high")) == case["kept_idx"]
