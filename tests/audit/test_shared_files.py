"""Files that tables share are looked at once, and what takes their place is shared again."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_assets.audit.shared_files import SharedFiles
from resources.delta import Lake, Part
from resources.frozen_table import freeze
from resources.snapshot import load_snapshot
from resources.table_layout import data_file


def rows(shard: str, count: int) -> pa.Table:
    return pa.table({"shard": [shard] * count, "row": pa.array(range(count), pa.int32())})


@pytest.fixture
def lakes(tmp_path: Path) -> tuple[Lake, Lake]:
    """A lake with a table of two shards, and one that has it frozen."""
    live, frozen = Lake(root=str(tmp_path / "live")), Lake(root=str(tmp_path / "frozen"))
    live.write("facts", [Part(shard, rows(shard, 5), {"made": "first"}) for shard in "ab"])
    freeze(live.snapshot("facts"), frozen.uri("facts"))
    return live, frozen


def test_equal_files_are_asked_once(lakes: tuple[Lake, Lake]) -> None:
    shared, asked = SharedFiles(), []
    for lake in lakes:
        for shard in "ab":
            shared.once(lake.snapshot("facts"), shard, "count", lambda shard=shard: asked.append(shard) or len(asked))
    assert asked == ["a", "b"]
    lakes[0].write("facts", [Part("a", rows("a", 5), {"made": "again"})])  # the same rows in another file
    shared.once(lakes[0].snapshot("facts"), "a", "count", lambda: asked.append("a"))
    shared.once(lakes[0].snapshot("facts"), "b", "another question", lambda: asked.append("b"))
    shared.once(None, "a", "count", lambda: asked.append("no table"))
    assert asked == ["a", "b", "a", "b", "no table"]


def test_new_files_are_held_while_there_is_room_and_given_once() -> None:
    shared = SharedFiles(room=1)
    shared.hold("first", rows("a", 8))
    shared.hold("second", rows("a", 8))
    assert shared.take("second") is None
    assert pq.read_table(pa.BufferReader(shared.take("first"))).num_rows == 8
    assert shared.take("first") is None
    shared.hold("second", rows("a", 8))
    assert shared.take("second") is not None


def test_partitions_are_replaced_by_files_of_another_table_new_ones_and_none(lakes: tuple[Lake, Lake]) -> None:
    live, frozen = lakes
    live.write("facts", [Part("a", rows("a", 3), {"made": "second"})])
    source = live.snapshot("facts")
    records = {"a": {"made": "linked", "rows": 3, "delta_version": 7}, "b": {"made": "new", "rows": 2}}
    files = [("a", Path(source.uri) / source.files["a"][0]), ("b", data_file(rows("b", 2)))]
    version = frozen.replace_files("facts", files, records)
    found = frozen.snapshot("facts")
    assert found.version == version == 2
    assert found.identity("a") == source.identity("a")
    assert [found.read(shard).to_pylist() for shard in "ab"] == [rows("a", 3).to_pylist(), rows("b", 2).to_pylist()]
    assert {**found.records["a"], **records["a"]} == found.records["a"]
    assert found.records["b"]["made"] == "new"
    frozen.replace_files("facts", [("b", None)], {"b": {"made": "empty", "rows": 0}})
    found = frozen.snapshot("facts")
    assert found.shards == ["a"]
    assert [len(found.read(shard)) for shard in "ab"] == [3, 0]
    assert (found.records["b"]["rows"], found.records["b"]["made"]) == (0, "empty")
    assert load_snapshot(found.uri, None).records == found.records  # whoever opens it anew
    frozen.replace_files("facts", [("b", data_file(rows("b", 4)))], {"b": {"made": "again", "rows": 4}})
    assert frozen.snapshot("facts").shards == ["a", "b"]
    assert frozen.read("facts", shard="b").equals(rows("b", 4).select(found.schema.names))


def test_records_alone_are_replaced(lakes: tuple[Lake, Lake]) -> None:
    _, frozen = lakes
    before = frozen.snapshot("facts")
    frozen.replace_files("facts", [], {"a": {"made": "said anew", "rows": 5}})
    found = frozen.snapshot("facts")
    assert (found.records["a"]["made"], found.records["b"]["made"]) == ("said anew", "first")
    assert found.files == before.files


def test_a_table_without_shards_is_replaced(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    lake.write("members", [Part(None, pa.table({"uid_hi": pa.array(range(9), pa.int64())}), {})])
    left = pa.table({"uid_hi": pa.array(range(4), pa.int64())})
    lake.replace_files("members", [(None, data_file(left))], {None: {"rows": 4}})
    assert lake.read("members").equals(left)
    assert lake.records("members")[None]["rows"] == 4


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
    table = rows("a", 9)
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
