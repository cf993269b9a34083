"""Data files by pyarrow are laid out as those by delta-rs."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.delta import Lake, Part
from resources.table_layout import data_file

WIDE = {"image_embedding": pa.array([b"abcd"] * 9), "reason": pa.array(["", None, "broken"] * 3)}
NARROW = {
    "uid_hi": pa.array(range(9), pa.int64()),
    "score": pa.array([0.5, None, float("nan")] * 3, pa.float32()),
    "threshold": pa.array([0.25] * 9, pa.float64()),
    "words": pa.array([["a", "b"], [], None] * 3),
    "is_kept": pa.array([True, False, None] * 3),
}


@pytest.mark.parametrize("columns", [WIDE, NARROW], ids=["wide", "narrow"])
def test_data_files_are_laid_out_as_delta_does(columns: dict[str, pa.Array], tmp_path: Path) -> None:
    table = pa.table({"shard": ["a"] * 9, "row": pa.array(range(9), pa.int32())})
    for name, column in columns.items():
        table = table.append_column(name, column)
    lake = Lake(root=str(tmp_path))
    lake.write("facts", [Part("a", table, {})])
    plain = lake.snapshot("facts")
    lake.replace_files("facts", [("a", data_file(table))], {"a": {"rows": 9}})
    found = lake.snapshot("facts")
    assert plain.schema == found.schema
    assert str(found.read("a").to_pylist()) == str(table.select(found.schema.names).to_pylist())  # NaN differs from itself
    layouts = []
    for snapshot in (plain, found):
        group = pq.read_metadata(Path(snapshot.uri) / snapshot.files["a"][0]).row_group(0)
        parts = [group.column(number) for number in range(group.num_columns)]
        layouts.append([(p.path_in_schema, p.compression, p.has_dictionary_page, p.is_stats_set) for p in parts])
        encodings = {p.path_in_schema: {*p.encodings} & {"DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"} for p in parts}
        assert (encodings["row"] == {"DELTA_BINARY_PACKED"}) == (columns is NARROW)
        assert encodings.get("score", {"BYTE_STREAM_SPLIT"}) == {"BYTE_STREAM_SPLIT"}
    assert layouts[0] == layouts[1]
