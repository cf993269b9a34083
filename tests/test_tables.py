"""The catalogue of columns: unique names, types that Delta stores, meanings, and tables of scores."""

from collections import Counter

import pyarrow as pa
import pytest

from curation_assets import tables
from curation_assets.nodes import score_table
from curation_assets.scores import all_scores
from curation_assets.tables import MEASURED, REASON, ROW, SHARD, Column, Table

STORED = {name: table for name, table in vars(tables).items() if isinstance(table, Table)}
# The docstring of Column names these keys; every other name belongs to one table.
SHARED_NAMES = {"shard", "row", "uid_hi", "uid_lo", "key", "reason"}
# Delta has no unsigned integers, no large types and no float16.
DELTA_TYPES = {
    *(pa.string(), pa.binary(), pa.bool_(), pa.int8(), pa.int32(), pa.int64(), pa.float32(), pa.float64()),
    *(pa.list_(pa.int32()), pa.list_(pa.float64())),
}


def all_columns() -> list[tuple[str, Column]]:
    own = [(name, column) for name, table in STORED.items() for column in table.columns]
    return own + [(name, column) for name, score in all_scores().items() for column in score.columns]


def test_a_column_name_belongs_to_one_table():
    counts = Counter(column.name for _, column in all_columns() if column.name not in SHARED_NAMES)
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(("table", "column"), all_columns(), ids=lambda value: getattr(value, "name", value))
def test_every_column_has_a_type_that_delta_stores_a_meaning_and_honest_bounds(table: str, column: Column):
    assert column.type in DELTA_TYPES
    assert column.meaning.strip() == column.meaning != ""
    low, high = column.bounds
    assert low is None or high is None or low < high
    assert column.is_number or column.bounds == (None, None)


@pytest.mark.parametrize("name", STORED)
def test_sharded_tables_begin_with_their_keys(name: str):
    table = STORED[name]
    assert (table.names[:2] == ("shard", "row")) == table.is_sharded
    assert table.schema.names == list(table.names)
    assert [field.nullable for field in table.schema] == [column.is_nullable for column in table.columns]


@pytest.mark.parametrize(
    ("type", "expected"),
    [(pa.int32(), True), (pa.float32(), True), (pa.string(), False), (pa.bool_(), False), (pa.binary(), False)],
)
def test_a_threshold_makes_sense_on_numbers_only(type: pa.DataType, expected: bool):
    assert Column("x", type, "meaning").is_number is expected


def test_table_of_a_score_is_nullable_but_for_its_keys():
    column = Column("x", pa.float32(), "meaning", bounds=(0, 1))
    table = score_table((column,))
    assert table.columns == (SHARD, ROW, Column("x", pa.float32(), "meaning", is_nullable=True, bounds=(0, 1)), REASON)
    assert table.is_sharded
    assert not column.is_nullable, "the declaration itself is left alone"


def test_inputs_of_scores_have_one_owner():
    counts = Counter(name for table in MEASURED.values() for name in table.names if name not in SHARED_NAMES)
    assert set(counts.values()) == {1}
