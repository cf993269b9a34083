"""Every commit that wrote a shard, and the rows it had then."""

from pathlib import Path

import pyarrow as pa

from resources.delta import Lake, Part
from resources.frozen_table import freeze
from resources.shard_history import rows_at, shard_history

SCHEMA = pa.schema([("shard", pa.string()), ("row", pa.int32()), ("value", pa.int64())])


def part(shard: str, values: list[int], name: str) -> Part:
    rows = pa.table([[shard] * len(values), range(len(values)), values], schema=SCHEMA)
    return Part(shard, rows, {"data_version": name})


def test_each_version_of_a_shard_is_told_with_its_rows(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    lake.write("t", [part("x", [1], "a"), part("y", [5], "b")])
    lake.write("t", [part("y", [6], "c")])
    lake.write("t", [part("x", [2, 3], "d")])
    snapshot = lake.snapshot("t")
    history = shard_history(snapshot, "x")
    assert [(version, record["data_version"]) for version, record in history] == [(1, "a"), (3, "d")]
    assert [rows_at(snapshot, version, "x", ["value"], None)["value"].to_pylist() for version, _ in history] == [[1], [2, 3]]
    assert shard_history(snapshot, "nowhere") == []


def test_rows_that_are_gone_are_none(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    lake.write("t", [part("x", [1], "a")])
    old = [tmp_path / "t" / path for path in lake.snapshot("t").files["x"]]
    lake.write("t", [part("x", [2], "b")])
    snapshot = lake.snapshot("t")
    assert rows_at(snapshot, 1, "x", ["nonsense"], None) is None
    for path in old:
        path.unlink()
    assert rows_at(snapshot, 1, "x", ["value"], None) is None
    assert rows_at(snapshot, 2, "x", ["value"], None)["value"].to_pylist() == [2]


def test_a_frozen_copy_tells_of_the_version_that_it_was_copied_from(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    for number in range(4):
        lake.write("t", [part("x", [number], str(number))])
    freeze(lake.snapshot("t"), str(tmp_path / "copy"))
    copy = lake.snapshot("copy")
    ((version, record),) = shard_history(copy, "x")
    assert (record["delta_version"], record["data_version"]) == (4, "3")
    assert rows_at(copy, version, "x", ["value"], None)["value"].to_pylist() == [3]
