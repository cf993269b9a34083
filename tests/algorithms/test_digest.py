"""Digests depend on what a table says and on nothing about how Arrow holds it."""

import hashlib
import math
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.digest import json_digest, table_digest
from curation_assets.errors import SchemaError

texts = st.sampled_from(["", "a", "ab", "b", "a\0b", "\0", "😀", "日本", "e\u0301", "é"])
ELEMENTS = {
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.string(): texts,
    pa.binary(): st.binary(max_size=4),
    pa.list_(pa.float64()): st.lists(st.floats(allow_nan=False), max_size=3),
    pa.list_(pa.string()): st.lists(st.none() | texts, max_size=3),
    pa.list_(pa.list_(pa.int32())): st.lists(st.none() | st.lists(st.none() | st.integers(0, 3), max_size=2), max_size=2),
}
typed_values = st.sampled_from(list(ELEMENTS)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(st.none() | ELEMENTS[kind], max_size=8))
)


def digest_of(values: list[object], kind: pa.DataType) -> str:
    return table_digest(pa.table({"x": pa.array(values, kind)}))


def is_same(a: object, b: object) -> bool:
    """Equality that tells -0.0 from 0.0, also inside lists."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(is_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return type(a) is type(b) and a == b


@given(typed_values, st.integers(0, 8), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_chunks_slices_and_padding_do_not_matter(typed: tuple[pa.DataType, list[object]], cut: int, padding: int):
    kind, values = typed
    whole = pa.array(values, kind)
    chunked = pa.chunked_array([whole[:cut], whole[cut:cut], whole[cut:]], kind)
    padded = pa.array([*whole[:padding].to_pylist(), *values, *whole[:1].to_pylist()], kind)
    start = len(whole[:padding])
    expected = digest_of(values, kind)
    assert table_digest(pa.table({"x": chunked})) == expected
    assert table_digest(pa.table({"x": padded.slice(start, len(values))})) == expected


@given(typed_values, st.data())
@settings(max_examples=200, deadline=None)
def test_another_value_or_null_anywhere_changes_the_digest(typed: tuple[pa.DataType, list[object]], data: st.DataObject):
    kind, values = typed
    other = list(values)
    if not other:
        return
    place = data.draw(st.integers(0, len(values) - 1))
    other[place] = data.draw(st.none() | ELEMENTS[kind])
    a, b = pa.array(values, kind).to_pylist(), pa.array(other, kind).to_pylist()
    assert (digest_of(values, kind) == digest_of(other, kind)) == is_same(a, b)


@given(typed_values, typed_values)
@settings(max_examples=200, deadline=None)
def test_digests_are_equal_for_equal_columns_only(one: tuple[pa.DataType, list[object]], two: tuple[pa.DataType, list[object]]):
    a, b = (pa.array(values, kind) for kind, values in (one, two))
    same = a.type == b.type and is_same(a.to_pylist(), b.to_pylist())
    assert (digest_of(*reversed(one)) == digest_of(*reversed(two))) == same


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        (pa.int32(), [1, 2, 3], [1, 999, 3]),
        (pa.float64(), [0.0, 1.0, 2.0], [0.0, 7.5, 2.0]),
        (pa.bool_(), [True, False, True], [True, True, True]),
        (pa.string(), ["a", "b", "c"], ["a", "x", "c"]),
    ],
)
def test_bytes_under_nulls_do_not_matter(kind: pa.DataType, first: list[object], second: list[object]):
    validity = pa.array([True, False, True])

    def masked(values: list[object]) -> pa.Array:
        array = pa.array(values, kind)
        packed = sum(int(v) << i for i, v in enumerate(validity.to_pylist()))
        return pa.Array.from_buffers(kind, 3, [pa.py_buffer(bytes([packed])), *array.buffers()[1:]])

    one, two = masked(first), masked(second)
    assert one.equals(two)
    assert one.buffers()[-1].to_pybytes() != two.buffers()[-1].to_pybytes()
    expected = digest_of(one.to_pylist(), kind)
    assert table_digest(pa.table({"x": one})) == table_digest(pa.table({"x": two})) == expected


def test_values_under_a_null_list_do_not_matter():
    values, offsets = pa.array([1.0, 9.0, 9.0, 2.0]), pa.array([0, 1, 3, 4], pa.int32())
    hidden = pa.ListArray.from_arrays(offsets, values, mask=pa.array([False, True, False]))
    assert table_digest(pa.table({"x": hidden})) == digest_of([[1.0], None, [2.0]], pa.list_(pa.float64()))


def test_every_difference_that_counts_is_seen():
    one, two = pa.array([1, 2], pa.int32()), pa.array([2, 1], pa.int32())
    tables = [
        pa.table({"x": one}),
        pa.table({"y": one}),
        pa.table({"x": two}),
        pa.table({"x": one.cast(pa.int64())}),
        pa.table({"x": one.cast(pa.float32())}),
        pa.table({"x": one[:1]}),
        pa.table({"x": one[:0]}),
        pa.table({"x": one[:0].cast(pa.int64())}),
        pa.table({"x": one, "y": two}),
        pa.table({"y": two, "x": one}),
        pa.table({"x": two, "y": one}),
        pa.table({}),
        pa.table({"x": pa.array(["ab", "c"])}),
        pa.table({"x": pa.array(["a", "bc"])}),
        pa.table({"x": pa.array([b"ab", b"c"])}),
        pa.table({"x": pa.array(["", None])}),
        pa.table({"x": pa.array([None, ""])}),
        pa.table({"x": pa.array(["", ""])}),
        pa.table({"x": pa.array([[], None], pa.list_(pa.string()))}),
        pa.table({"x": pa.array([[], []], pa.list_(pa.string()))}),
        pa.table({"x": pa.array([[None], []], pa.list_(pa.string()))}),
        pa.table({"x": pa.array([[""], []], pa.list_(pa.string()))}),
        pa.table({"x": pa.array([[], [""]], pa.list_(pa.string()))}),
    ]
    assert len({table_digest(table) for table in tables}) == len(tables)


def test_metadata_nullability_and_names_inside_lists_do_not_matter():
    # Delta gives a list's field back as `element`, where Arrow calls it `item`.
    plain = pa.table({"x": pa.array([[1.0], None])})
    field = pa.field("x", pa.list_(pa.field("element", pa.float64(), nullable=False)), nullable=True, metadata={"a": "b"})
    dressed = pa.Table.from_arrays([pa.array([[1.0], None], field.type)], schema=pa.schema([field], metadata={"c": "d"}))
    assert table_digest(plain) == table_digest(dressed)


def test_signed_zeros_and_the_bits_of_nans_are_told_apart():
    # A digest is over bytes: a rerun gives the same bytes, and a changed sign or payload is a change worth seeing.
    assert digest_of([0.0], pa.float64()) != digest_of([-0.0], pa.float64())
    nan, other = (np.array([bits], np.uint64).view(np.float64) for bits in (0x7FF8000000000000, 0x7FF8000000000001))
    assert table_digest(pa.table({"x": nan})) == table_digest(pa.table({"x": nan.copy()}))
    assert table_digest(pa.table({"x": nan})) != table_digest(pa.table({"x": other}))
    assert table_digest(pa.table({"x": nan})) != digest_of([None], pa.float64())


@pytest.mark.parametrize(
    "array",
    [
        pa.nulls(2),
        pa.array(["a"], pa.large_string()),
        pa.array([b"ab"], pa.binary(2)),
        pa.array([0], pa.timestamp("us")),
        pa.array([{"a": 1}]),
        pa.array(["a"]).dictionary_encode(),
        pa.array([[1]], pa.large_list(pa.int32())),
    ],
    ids=lambda array: str(array.type),
)
def test_types_without_a_digest_are_named(array: pa.Array):
    with pytest.raises(
        SchemaError, match=r"no digest is defined for columns of type .*; store a number, text, bytes or a list"
    ):
        table_digest(pa.table({"x": array}))


def test_bytes_that_a_digest_is_made_of():
    # Recorded data versions are these digests: other bytes would make every stored table look changed.
    table = pa.table({"n": pa.array([1, None], pa.int32()), "t": pa.array(["é", ""]), "l": pa.array([[0.5], None])})
    numbers = b"n\0int32\x002\x001\0" + b"\1\0" + struct.pack("<2i", 1, 0)
    words = b"t\0string\x002\x000\0" + struct.pack("<2q", 2, 0) + "é".encode()
    lists = b"l\0list<item: double>\x002\x001\0" + b"\1\0" + struct.pack("<2q", 1, 0) + struct.pack("<d", 0.5)
    assert table_digest(table) == hashlib.sha256(numbers + words + lists).hexdigest()[:32]


def test_json_digest_ignores_the_order_of_keys_only():
    assert json_digest({"a": 1, "b": [1, 2]}) == json_digest({"b": [1, 2], "a": 1})
    values = [{}, [], None, 0, "0", {"a": 1}, {"a": "1"}, {"a": None}, {"a": [1, 2]}, {"a": [2, 1]}, {"a": 1.5}, "é", "e\u0301"]
    assert len({json_digest(value) for value in values}) == len(values)


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf]])
def test_json_digest_refuses_what_json_does_not_have(value: object):
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_digest(value)
