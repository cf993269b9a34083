"""Exact fractions against a full sort on (value, uid), and how DataComp's threshold differs."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.decisions import Rows, holds
from curation_assets.algorithms.order_statistics import Cut, fraction_cut, fraction_rows
from curation_assets.spec import Condition

THRESHOLD_CASES = Path(__file__).parents[2] / ".." / "shared" / "vectors" / "datacomp" / "threshold_cases.json"
# Few values, so that ties are common.
NUMBERS = (-math.inf, -2.5, -0.0, 0.0, 0.1, 0.28, 7.0, math.inf)
fractions = st.sampled_from([0.0, 0.1, 0.29, 1 / 3, 0.5, 0.999, 1.0]) | st.floats(0, 1)
directions = st.sampled_from(["high", "low"])


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
