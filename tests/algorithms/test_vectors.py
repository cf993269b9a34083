"""Embeddings to stored bytes and back."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from curation_assets.algorithms.vectors import from_binary, on_grid, require_unit_rows, to_binary
from curation_assets.errors import SchemaError

matrices = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.floats(-1, 1, width=16, allow_subnormal=False)
)


@given(matrices, st.sampled_from(["<f2", "<f4"]), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_matrices_come_back_whole_sliced_and_chunked(matrix: np.ndarray, dtype: str, cut: int):
    column = to_binary(matrix, dtype)
    assert column.type == pa.binary()
    assert column.to_pylist() == [row.astype(dtype).tobytes() for row in matrix]
    back = from_binary(column, dtype)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, matrix)
    chunked = pa.chunked_array([column[:cut], column[cut:cut], column[cut:]], pa.binary())
    np.testing.assert_array_equal(from_binary(chunked, dtype), matrix)
    if cut < len(matrix):
        np.testing.assert_array_equal(from_binary(column[cut:], dtype), matrix[cut:])
        np.testing.assert_array_equal(from_binary(column.slice(cut, 1), dtype), matrix[cut : cut + 1])


@given(matrices, st.data())
@settings(max_examples=40, deadline=None)
def test_rows_that_are_not_valid_become_null(matrix: np.ndarray, data: st.DataObject):
    is_valid = np.array(data.draw(st.lists(st.booleans(), min_size=len(matrix), max_size=len(matrix))))
    column = to_binary(np.where(is_valid[:, None], matrix, np.nan), "<f2", is_valid)
    assert column.is_valid().to_pylist() == is_valid.tolist()
    if is_valid.any():
        np.testing.assert_array_equal(from_binary(column.drop_null(), "<f2"), matrix[is_valid])


def test_layout_in_memory_does_not_matter():
    matrix = np.arange(12, dtype=np.float64).reshape(3, 4)
    expected = to_binary(matrix, "<f4").to_pylist()
    assert to_binary(np.asfortranarray(matrix), "<f4").to_pylist() == expected
    assert to_binary(np.repeat(matrix, 2, axis=1)[:, ::2], "<f4").to_pylist() == expected


def test_bytes_are_little_endian():
    assert to_binary(np.float32([[1.0]]), "<f2").to_pylist() == [b"\x00\x3c"]
    assert from_binary(pa.array([b"\x00\x3c\x00\xc0"]), "<f2").tolist() == [[1.0, -2.0]]


def test_no_rows_have_no_dimensions():
    assert from_binary(pa.array([], pa.binary()), "<f2").shape == (0, 0)
    assert from_binary(pa.chunked_array([], pa.binary()), "<f2").shape == (0, 0)
    assert to_binary(np.zeros((0, 4), np.float32), "<f2").to_pylist() == []


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([b"abcd", None]), r"found 1 NULL of 2"),
        (pa.array([b"abcd", b"ab"]), r"lengths \[2, 4\]"),
        (pa.array([b"abc", b"abc"]), r"a multiple of 2 bytes; found 0 NULL of 2 and lengths \[3\]"),
        (pa.array([b"", b""]), r"lengths \[0\]"),
        (pa.chunked_array([pa.array([b"abcd"]), pa.array([b"ab"])]), r"different lengths in one column: \[1, 2\]"),
        (pa.array([b"abcd"], pa.large_binary()), "stored as binary; found a column of type large_binary"),
        (pa.array([b"abcd"], pa.binary(4)), r"found a column of type fixed_size_binary\[4\]"),
        (pa.array(["abcd"]), "found a column of type string"),
    ],
)
def test_what_is_no_matrix_is_refused(column: pa.Array | pa.ChunkedArray, message: str):
    with pytest.raises(SchemaError, match=message):
        from_binary(column, "<f2")


def test_unit_rows_pass_with_the_rounding_of_float16():
    rng = np.random.default_rng(0)
    for d in (1, 2, 16, 512, 1024):
        rows = rng.normal(size=(50, d))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        require_unit_rows(rows.astype(np.float16).astype(np.float32), "x")
    require_unit_rows(np.zeros((0, 4), np.float32), "x")
    require_unit_rows(np.zeros((0, 0), np.float32), "x")


@pytest.mark.parametrize("wrong", [[5.0, 0.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 0.0], [1.0, 0.07], [0.997, 0.0]])
def test_other_rows_are_named_with_their_norm(wrong: list[float]):
    matrix = np.float32([[1, 0], [0.6, 0.8], wrong, wrong])
    with pytest.raises(SchemaError, match=r"x must have unit rows, .* row 2 has L2 norm \S+ \(2 of 4 rows\)"):
        require_unit_rows(matrix, "x")


def test_float16_values_are_on_the_grid_and_others_come_next_to_it():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.abs(halves) <= 1].astype(np.float32)
    np.testing.assert_array_equal(on_grid(halves), halves)
    values = np.float32(np.random.default_rng(0).uniform(-1, 1, 10**4)) ** 5
    np.testing.assert_array_equal(np.float64(on_grid(values)) * 2**26 % 1, 0)
    assert np.abs(np.float64(on_grid(values)) - values).max() <= 2**-27


@pytest.mark.parametrize("d", [2, 40, 1024])
def test_inner_products_of_vectors_on_the_grid_are_exact(d: int):
    rows = np.random.default_rng(d).normal(size=(8, d))
    rows = on_grid(np.float32(1.002 * rows / np.linalg.norm(rows, axis=1, keepdims=True)))
    products = rows.astype(np.float64) @ rows.T.astype(np.float64)
    exact = [[sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, y, strict=True)) for y in rows] for x in rows]
    assert products.tolist() == [[float(product) for product in row] for row in exact]
    assert all(
        Fraction(float(p)) == e for row, line in zip(products, exact, strict=True) for p, e in zip(row, line, strict=True)
    )
