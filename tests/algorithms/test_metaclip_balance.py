"""MetaCLIP's balance over entries, against its algorithm in exact fractions and the authors' numbers."""

import json
from fractions import Fraction
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.metaclip_balance import (
    entry_probability,
    inclusion_probability,
    matched_pairs,
    tail_share,
    tail_threshold,
)
from curation_assets.errors import SchemaError
from tests.conftest import SHARED

FILE = SHARED / "vectors" / "metaclip" / "expected.json"
rows_of_matches = st.lists(st.lists(st.integers(0, 5), max_size=5), max_size=8)
counts = st.lists(st.integers(0, 9), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def expected() -> dict[str, object]:
    if not FILE.is_file():
        pytest.skip(f"no vectors at {FILE}")
    return json.loads(FILE.read_text(encoding="utf-8"))


@given(rows_of_matches, st.lists(st.integers(0, 9), min_size=6, max_size=6), st.integers(1, 9))
@settings(deadline=None)
def test_inclusion_against_exact_fractions(matches: list[list[int]], count: list[int], t: int):
    found = inclusion_probability(matches, entry_probability(np.array(count), t))
    for row, probability in zip(matches, found, strict=True):
        missed = prod((1 - Fraction(t, max(count[entry], t)) for entry in set(row)), start=Fraction(1))
        assert probability == pytest.approx(float(1 - missed), abs=1e-15)
    turned = inclusion_probability([row[::-1] * 2 for row in matches], entry_probability(np.array(count), t))
    assert turned.tobytes() == found.tobytes(), "neither order nor repetition of the matches decides"


def test_inclusion_is_the_share_of_rows_that_independent_draws_keep():
    probability = np.array([0.5, 0.2, 0.05])
    draws = np.random.default_rng(0).random((100_000, 3)) < probability
    assert draws.any(axis=1).mean() == pytest.approx(inclusion_probability([[0, 1, 2]], probability)[0], abs=0.005)


@given(rows_of_matches)
@settings(deadline=None)
def test_each_pair_of_row_and_entry_is_found_once(matches: list[list[int]]):
    row, entry = matched_pairs([np.array(found, np.int32) for found in matches])
    pairs = list(zip(row.tolist(), entry.tolist(), strict=True))
    assert pairs == sorted({(i, match) for i, found in enumerate(matches) for match in found})


@given(counts, st.integers(0, 10))
def test_the_tail_against_loops(count: list[int], t: int):
    tail = sum(c for c in count if c < t)
    assert tail_share(np.array(count), t) == (tail / sum(count) if sum(count) else 0)


@given(counts.filter(sum), st.integers(0, 20))
def test_the_threshold_ends_the_tail_that_is_nearest(count: list[int], twentieths: int):
    ordered = sorted(count)
    distance = [abs(Fraction(sum(ordered[: i + 1]), sum(ordered)) - Fraction(twentieths, 20)) for i in range(len(ordered))]
    # Where two are exactly as near, rounding may prefer either.
    nearest = {c for c, d in zip(ordered, distance, strict=True) if d == min(distance)}
    assert tail_threshold(np.array(count), twentieths / 20) in nearest


def test_numbers_of_the_reference(expected: dict[str, object]):
    """Generated with the authors' code at f47f7841: 20 entries and 18 texts, and 500 Pareto counts."""
    probability = entry_probability(np.array(expected["entry_counts"]), 2)
    matches = [text["matched"] for text in expected["matches"]]
    np.testing.assert_allclose(inclusion_probability(matches, probability), expected["inclusion_prob_t2"], atol=1e-15)
    count = np.array(expected["big_counts"])
    np.testing.assert_array_equal(entry_probability(count, 200)[-10:], expected["t200_probs_head"])
    assert tail_share(count, 200) == expected["t200_to_p"]
    assert [tail_threshold(count, case["p"]) for case in expected["p_to_t"]] == [case["t"] for case in expected["p_to_t"]]
    assert count.sum() == expected["total_matched"]


def test_faults_are_named():
    with pytest.raises(SchemaError, match="numbered from 0; row 1 has -3"):
        matched_pairs([[1], [2, -3]])
    with pytest.raises(SchemaError, match=r"a tail of 0\.5 needs matches; 2 entries have none"):
        tail_threshold(np.zeros(2, int), 0.5)
