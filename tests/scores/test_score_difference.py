"""One score less another."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.algorithms.measurement import measure
from curation_assets.scores.score_difference import SCORE, score_difference


@given(st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1)), min_size=1))
def test_whole_numbers_are_exact(pairs: list[tuple[int, int]]):
    a, b = (np.array([pair[i] for pair in pairs], np.int32) for i in (0, 1))
    assert score_difference(a, b).tolist() == [x - y for x, y in pairs]


def test_single_precision_is_not_rounded_again():
    a, b = np.float32([1.0]), np.float32([2**-40])
    assert score_difference(a, b).tolist() == [1 - 2**-40]
    assert score_difference(b, a).tolist() == [2**-40 - 1]


@pytest.mark.parametrize(
    ("a", "b", "reason"), [(np.inf, np.inf, "not a number"), (np.inf, 1.0, None), (np.nan, 1.0, "not a number")]
)
def test_no_number_becomes_null_with_a_reason(a: float, b: float, reason: str | None):
    measured = measure(SCORE, {"minuend": pa.array([a]), "subtrahend": pa.array([b])})
    assert measured["reason"].to_pylist() == [reason]
