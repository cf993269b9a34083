"""Scores over columns with NULLs: what goes in, what comes out, and the reason of every value that is missing."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.measurement import measure
from curation_assets.algorithms.vectors import to_binary
from curation_assets.errors import SchemaError
from curation_assets.spec import Score, Values
from curation_assets.tables import Column

AREA = Column("area", pa.float32(), "px")
INPUTS = {"width": pa.array([2, None, 4, 5], pa.int32()), "height": pa.array([3, 3, None, 2], pa.int32())}


def area(width: np.ndarray, height: np.ndarray) -> np.ndarray:
    return width * height


def score_of(compute: Callable[..., Values | dict[str, Values]], *columns: Column) -> Score:
    return Score(compute=compute, columns=columns or (AREA,), source="made up", version="1")


def returning(values: object) -> Score:
    """A score of two complete rows that returns what it is told."""

    def told(width: np.ndarray, height: np.ndarray) -> object:
        return values

    return score_of(told)


@given(st.lists(st.tuples(st.none() | st.integers(1, 9), st.none() | st.integers(1, 9), st.none() | st.just("undecodable"))))
@settings(max_examples=100, deadline=None)
def test_rows_with_all_inputs_are_measured_and_the_others_say_why_not(rows: list[tuple[int | None, int | None, str | None]]):
    width, height, reason = (
        pa.array(part, kind)
        for part, kind in zip(
            zip(*rows, strict=True) if rows else ([], [], []), (pa.int32(), pa.int32(), pa.string()), strict=True
        )
    )
    measured = measure(score_of(area), {"width": width, "height": height}, reason)
    assert measured["area"].type == pa.float32()
    assert measured["area"].to_pylist() == [None if w is None or h is None else w * h for w, h, _ in rows]
    assert measured["reason"].to_pylist() == [
        None if w is not None and h is not None else (r or "an input is missing") for w, h, r in rows
    ]


def test_columns_are_matched_by_name_not_by_place():
    def quotient(width: np.ndarray, height: np.ndarray) -> np.ndarray:
        return width / height

    measured = measure(score_of(quotient), {"height": pa.array([2]), "width": pa.array([8])})
    assert measured["area"].to_pylist() == [4.0]


@pytest.mark.parametrize("values", [np.array([np.nan, 7.0]), pa.array([float("nan"), 7.0]), pa.array([None, 7.0])])
def test_nan_is_null_with_a_reason(values: Values):
    measured = measure(returning(values), INPUTS)
    assert measured["area"].to_pylist() == [None, None, None, 7.0]
    assert measured["reason"].to_pylist() == ["not a number", "an input is missing", "an input is missing", None]


def test_a_row_without_one_of_two_values_has_a_reason():
    def both(width: np.ndarray) -> dict[str, np.ndarray]:
        return {"label": np.array(["a", None], object), "size": np.array([1, 2])}

    columns = (Column("size", pa.int32(), "px"), Column("label", pa.string(), "name"))
    measured = measure(score_of(both, *columns), {"width": pa.array([1, 2])}, pa.array([None, "not this one"]))
    assert list(measured) == ["size", "label", "reason"]
    assert measured["size"].to_pylist() == [1, 2]
    assert measured["label"].to_pylist() == ["a", None]
    assert measured["reason"].to_pylist() == [None, "not a number"]


@pytest.mark.parametrize("rows", [0, 3])
def test_nothing_to_measure_computes_nothing(rows: int):
    def never(width: np.ndarray) -> np.ndarray:
        raise AssertionError("computed without a row")

    measured = measure(score_of(never), {"width": pa.nulls(rows, pa.int32())})
    assert measured["area"].equals(pa.nulls(rows, pa.float32()))
    assert measured["reason"].to_pylist() == ["an input is missing"] * rows


def test_embeddings_arrive_as_float32_matrix_without_null_rows():
    seen = []

    def first(image_embedding: np.ndarray, text: np.ndarray) -> np.ndarray:
        seen.append((image_embedding, text))
        return image_embedding[:, 0]

    matrix = np.float32([[1, 0], [0.5, 2], [3, 4]])
    column = to_binary(matrix, "<f2", np.array([True, False, True]))
    measured = measure(score_of(first), {"image_embedding": column, "text": pa.array(["a", "b", "c"])})
    embedding, text = seen[0]
    assert embedding.dtype == np.float32
    np.testing.assert_array_equal(embedding, matrix[[0, 2]])
    assert text.tolist() == ["a", "c"]
    assert measured["area"].to_pylist() == [1.0, None, 3.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"other": np.ones(2)}, r"told returned columns \['other'\]; it declares \['area'\]"),
        ({"area": np.ones(2), "more": np.ones(2)}, r"told returned columns \['area', 'more'\]; it declares \['area'\]"),
        ({}, r"told returned columns \[\]; it declares \['area'\]"),
        (np.ones(3), "told returned 3 values of area for 2 rows"),
        (np.ones(0), "told returned 0 values of area for 2 rows"),
        (pa.array([1.0]), "told returned 1 values of area for 2 rows"),
        (np.ones((2, 2)), "told returned area that is no column of float: only handle 1-dimensional arrays"),
        (np.array(["a", "b"], object), "told returned area that is no column of float: Failed to parse string"),
        (np.array([b"a", 1], object), "told returned area that is no column of float"),
        (pa.array([{"a": 1}, None]), "told returned area that is no column of float"),
    ],
)
def test_a_score_that_breaks_its_word_is_refused(values: object, message: str):
    with pytest.raises(SchemaError, match=message):
        measure(returning(values), INPUTS)


@pytest.mark.parametrize("values", [np.array([1.5, 2.0]), np.array([1.0, 3e9]), np.array([np.inf, 1.0])])
def test_numbers_that_the_declared_type_cannot_hold_are_refused(values: np.ndarray):
    def told(width: np.ndarray) -> np.ndarray:
        return values

    with pytest.raises(SchemaError, match="told returned size that is no column of int32"):
        measure(score_of(told, Column("size", pa.int32(), "px")), {"width": pa.array([1, 2])})


def test_whole_numbers_keep_all_their_digits():
    def told(width: np.ndarray) -> pa.Array:
        return pa.array([2**53 + 1, None], pa.int64())

    measured = measure(score_of(told, Column("size", pa.int64(), "bytes")), {"width": pa.array([1, 2])})
    assert measured["size"].to_pylist() == [2**53 + 1, None]
