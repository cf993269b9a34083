"""Frozen tables: rows, order and records of a moment, which stay whatever becomes of the table that they share files with."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from curation_assets.errors import LakeError
from resources.delta import Lake, Part
from resources.frozen_table import freeze, open_frozen, read_checked
from resources.snapshot import load_snapshot
from resources.table_layout import data_file


def part(shard: str | None, values: list[int], **record: object) -> Part:
    rows = pa.table({"row": pa.array(range(len(values)), pa.int32()), "value": pa.array(values, pa.int64())})
    if shard is not None:
        rows = rows.add_column(0, "shard", pa.array([shard] * len(values), pa.string()))
    return Part(shard, rows, {"data_version": f"{values}", **record})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(root=str(tmp_path / "lake"))
    made.write("scores/x", [part("a", [1, 2], run_id="r1"), part("b", [3], run_id="r1"), part("empty", [], run_id="r1")])
    made.write("scores/x", [part("b", [4, 5], run_id="r2")])
    made.write("whole", [part(None, [7, 8])])
    return made


def frozen(lake: Lake, table: str, shards: set[str] | None = None) -> Lake:
    other = Lake(root=f"{lake.root}_frozen")
    freeze(lake.snapshot(table), other.uri(table), shards)
    return other


def test_rows_and_records_are_those_of_the_moment(lake: Lake) -> None:
    before, records = lake.read("scores/x"), lake.records("scores/x")
    copy = frozen(lake, "scores/x")
    assert copy.read("scores/x").equals(before)
    assert copy.records("scores/x") == records
    versions = {shard: record["delta_version"] for shard, record in records.items()}
    assert versions["a"] == versions["empty"] < versions["b"]
    lake.write("scores/x", [part("a", [9]), part("b", [])])
    assert copy.read("scores/x").equals(before)
    assert open_frozen(copy.uri("scores/x")).records == records
    shutil.rmtree(lake.root)
    assert copy.read("scores/x").equals(before), "a linked file stays when its other name is gone"


def test_some_shards_and_tables_without_any(lake: Lake) -> None:
    copy = frozen(lake, "scores/x", {"b", "empty"})
    assert copy.read("scores/x")["value"].to_pylist() == [4, 5]
    assert sorted(copy.records("scores/x"), key=str) == ["b", "empty"]
    assert len(copy.snapshot("scores/x").read("empty")) == 0
    freeze(lake.snapshot("whole"), copy.uri("whole"), set())
    assert copy.read("whole").equals(lake.read("whole"))
    assert copy.records("whole") == lake.records("whole")


def test_any_reader_of_delta_reads_it(lake: Lake) -> None:
    found = DeltaTable(frozen(lake, "scores/x").uri("scores/x")).to_pyarrow_table()
    assert sorted(found["value"].to_pylist()) == [1, 2, 4, 5]
    assert set(found["shard"].to_pylist()) == {"a", "b"}


def test_a_frozen_table_can_be_rewritten_by_who_must(lake: Lake) -> None:
    copy = frozen(lake, "scores/x")
    copy.write("scores/x", [Part("a", lake.read("scores/x", shard="a").slice(1), {**copy.records("scores/x")["a"], "rows": 1})])
    assert copy.read("scores/x")["value"].to_pylist() == [2, 4, 5]
    assert lake.read("scores/x")["value"].to_pylist() == [1, 2, 4, 5]
    assert copy.records("scores/x")["b"] == lake.records("scores/x")["b"]


def test_what_cannot_be_frozen_is_said(lake: Lake) -> None:
    copy = frozen(lake, "whole")
    with pytest.raises(LakeError, match="exists already; a frozen table is never changed"):
        freeze(lake.snapshot("whole"), copy.uri("whole"))
    path = next(Path(lake.uri("scores/x")).rglob("*.parquet"))
    snapshot = lake.snapshot("scores/x")
    for each in Path(lake.uri("scores/x")).rglob("*.parquet"):
        each.unlink()
    with pytest.raises(LakeError, match=r"cannot freeze .*\.parquet: .*No such file.*materialize it again, or free the disk"):
        freeze(snapshot, copy.uri("scores/x"))
    assert not path.exists()


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]", json.dumps({"add": {"path": 3}}).encode()])
def test_a_damaged_log_is_one_error(lake: Lake, text: bytes) -> None:
    copy = frozen(lake, "scores/x")
    log = sorted((Path(copy.uri("scores/x")) / "_delta_log").glob("*.json"))
    log[0].write_bytes(text)
    with pytest.raises(LakeError, match=r"the log of the table .* is damaged|no table at"):
        open_frozen(copy.uri("scores/x"))
    with pytest.raises(LakeError, match="no table at"):
        open_frozen(copy.uri("nothing"))


@pytest.mark.parametrize("keep", [0, 4, 100])
def test_a_damaged_file_is_an_error_with_its_name(lake: Lake, keep: int) -> None:
    copy = frozen(lake, "whole")
    path = next(Path(copy.uri("whole")).rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LakeError, match=rf"cannot read .*{path.name}: .*; materialize it again"):
        open_frozen(copy.uri("whole")).read(None)


def test_partitions_are_replaced_by_files_of_another_table_new_ones_and_none(lake: Lake) -> None:
    copy = frozen(lake, "scores/x")
    lake.write("scores/x", [part("a", [7, 8, 9], run_id="r3")])
    source = lake.snapshot("scores/x")
    records = {"a": {"run_id": "linked", "rows": 3, "delta_version": 7}, "b": {"run_id": "new", "rows": 1}}
    files = [("a", Path(source.uri) / source.files["a"][0]), ("b", data_file(part("b", [6]).rows))]
    version = copy.replace_files("scores/x", files, records)
    found = copy.snapshot("scores/x")
    assert found.version == version == 2
    assert found.identity("a") == source.identity("a")
    assert [found.read(shard)["value"].to_pylist() for shard in "ab"] == [[7, 8, 9], [6]]
    assert {**found.records["a"], **records["a"]} == found.records["a"]
    assert (found.records["b"]["run_id"], found.records["empty"]["run_id"]) == ("new", "r1")
    copy.replace_files("scores/x", [("b", None)], {"b": {"run_id": "emptied", "rows": 0}})
    found = copy.snapshot("scores/x")
    assert found.shards == ["a"]
    assert [len(found.read(shard)) for shard in "ab"] == [3, 0]
    assert (found.records["b"]["rows"], found.records["b"]["run_id"]) == (0, "emptied")
    assert load_snapshot(found.uri, None).records == found.records  # whoever opens it anew
    copy.replace_files("scores/x", [("b", data_file(part("b", [1, 2, 3, 4]).rows))], {"b": {"rows": 4}})
    assert copy.snapshot("scores/x").shards == ["a", "b"]
    assert copy.read("scores/x", shard="b")["value"].to_pylist() == [1, 2, 3, 4]


def test_records_alone_are_replaced(lake: Lake) -> None:
    copy = frozen(lake, "scores/x")
    before = copy.snapshot("scores/x")
    copy.replace_files("scores/x", [], {"a": {"run_id": "said anew", "rows": 2}})
    found = copy.snapshot("scores/x")
    assert (found.records["a"]["run_id"], found.records["b"]["run_id"]) == ("said anew", "r2")
    assert found.files == before.files


def test_a_table_without_shards_is_replaced(lake: Lake) -> None:
    left = part(None, [7]).rows
    lake.replace_files("whole", [(None, data_file(left))], {None: {"rows": 1}})
    assert lake.read("whole").equals(left)
    assert lake.records("whole")[None]["rows"] == 1


def test_text_that_is_no_utf8_is_damage(lake: Lake) -> None:
    text = pa.array([b"caf\xc6"], pa.binary()).view(pa.string())
    lake.write("texts", [Part(None, pa.table({"text": ["plain"]}), {})])
    lake.replace_files("texts", [(None, data_file(pa.table({"text": text})))], {None: {"rows": 1}})
    with pytest.raises(LakeError, match=r"cannot read .*texts, shard None: .*UTF8"):
        read_checked(lake.snapshot("texts"), None)
