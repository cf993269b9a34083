"""The lake: partitions replaced whole, in order, with the record of what they were made from."""

import multiprocessing
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import LakeError
from resources.delta import Lake, Part
from resources.snapshot import load_snapshot

SCHEMA = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("value", pa.float32()),
        pa.field("some_embedding", pa.binary()),
    ]
)


def rows(shard: str, numbers: list[int], value: float = 0.5) -> pa.Table:
    n = len(numbers)
    return pa.table([[shard] * n, numbers, [value] * n, [b"\x00\x01"] * n], schema=SCHEMA)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(root=str(tmp_path / "lake"))


def test_a_shard_is_replaced_and_others_stay(lake: Lake) -> None:
    lake.write("scores/a", [Part("x", rows("x", [0, 2, 5]), {"shard": "x", "n": 1})])
    lake.write("scores/a", [Part("y", rows("y", [1]), {"shard": "y", "n": 2})])
    version = lake.write("scores/a", [Part("x", rows("x", [3], 0.25), {"shard": "x", "n": 3})])
    assert lake.read("scores/a", shard="x").to_pydict()["row"] == [3]
    assert lake.read("scores/a").column("shard").to_pylist() == ["x", "y"]
    assert lake.version("scores/a") == version == 3
    assert lake.shards("scores/a") == ["x", "y"]
    assert {shard: record["n"] for shard, record in lake.records("scores/a").items()} == {"x": 3, "y": 2}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 10**6), unique=True, max_size=200).map(sorted), st.integers(1, 7))
def test_rows_come_back_in_order_however_they_are_chunked(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], pieces: int
) -> None:
    lake = Lake(root=str(tmp_path_factory.mktemp("lake")))
    table = rows("x", numbers)
    step = max(1, len(numbers) // pieces)
    chunked = pa.concat_tables([table.slice(i, step) for i in range(0, len(numbers), step)] or [table])
    lake.write("a", [Part("x", chunked, {"shard": "x"})])
    assert lake.read("a", shard="x", columns=["row"])["row"].to_pylist() == numbers


def test_large_shard_keeps_its_order_in_one_file(lake: Lake) -> None:
    numbers = list(range(0, 300_000, 2))
    lake.write("a", [Part("x", rows("x", numbers), {"shard": "x"})])
    assert lake.read("a", shard="x", columns=["row"])["row"].to_pylist() == numbers
    assert len(DeltaTable(lake.uri("a")).file_uris()) == 1


def test_an_empty_shard_is_made_and_reads_as_empty(lake: Lake) -> None:
    lake.write("a", [Part("x", rows("x", []), {"shard": "x", "rows": 0})])
    assert len(lake.read("a", shard="x")) == 0
    assert lake.records("a")["x"]["rows"] == 0
    assert len(lake.read("a")) == 0


def test_a_table_without_shards_is_replaced_whole(lake: Lake) -> None:
    for n in (3, 2):
        lake.write("whole", [Part(None, pa.table({"k": pa.array(range(n), pa.int32())}), {"shard": None, "n": n})])
    assert lake.read("whole")["k"].to_pylist() == [0, 1]
    assert lake.records("whole")[None]["n"] == 2


def test_rows_of_another_shard_or_out_of_order_are_refused(lake: Lake) -> None:
    with pytest.raises(LakeError, match=r"rows given for shard 'y' belong to \['x'\]"):
        lake.write("a", [Part("y", rows("x", [0]), {})])
    for numbers in ([2, 1], [1, 1]):
        with pytest.raises(LakeError, match="ascending `row`, each once"):
            lake.write("a", [Part("x", rows("x", numbers), {})])
    assert not lake.exists("a")


def test_many_shards_are_one_commit_and_keep_their_order(lake: Lake) -> None:
    parts = [Part(name, rows(name, list(range(i, 400, 3))), {"n": i}) for i, name in enumerate(["b", "a", "d", "c"])]
    assert lake.write("a", parts) == 1
    for part in parts:
        assert lake.read("a", shard=part.shard).equals(part.rows)
    lake.write("a", [Part("c", rows("c", []), {"n": 9}), Part("e", rows("e", [5]), {"n": 10})])
    assert lake.shards("a") == ["a", "b", "d", "e"]
    found = {shard: (record["n"], record["rows"], record["delta_version"]) for shard, record in lake.records("a").items()}
    assert found == {"a": (1, 133, 1), "b": (0, 134, 1), "c": (9, 0, 2), "d": (2, 133, 1), "e": (10, 1, 2)}


def test_a_record_alone_can_be_replaced(lake: Lake) -> None:
    lake.write("a", [Part("x", rows("x", [1, 2]), {"inputs": {"p": "1"}}), Part("y", rows("y", [1]), {"inputs": {"p": "1"}})])
    files = lake.snapshot("a").files
    lake.write("a", [Part("x", None, {"inputs": {"p": "2"}})])
    assert lake.snapshot("a").files == files
    assert lake.records("a")["x"]["inputs"] == {"p": "2"}
    assert lake.records("a")["x"]["rows"] == 2
    assert lake.records("a")["y"]["inputs"] == {"p": "1"}


def test_other_columns_begin_the_table_anew(lake: Lake) -> None:
    lake.write("a", [Part("x", rows("x", [0]), {}), Part("y", rows("y", [0, 1]), {})])
    wider = rows("x", [0, 4]).append_column(pa.field("more", pa.string()), pa.array(["p", "q"]))
    lake.write("a", [Part("x", wider, {})])
    assert lake.records("a").keys() == {"x"}
    assert lake.read("a").equals(wider.select(lake.snapshot("a").schema.names))
    lake.write("a", [Part("y", wider.set_column(0, SCHEMA.field("shard"), pa.array(["y", "y"])), {})])
    assert lake.records("a").keys() == {"x", "y"}
    fresh = load_snapshot(lake.uri("a"), None)
    assert fresh.records == lake.records("a"), "a process that starts later sees the same"


def test_a_snapshot_goes_on_reading_its_own_version(lake: Lake) -> None:
    lake.write("a", [Part("x", rows("x", [1, 2]), {"data_version": "one"})])
    before = lake.snapshot("a")
    assert lake.snapshot("a") is before, "nothing was written, so nothing is read again"
    lake.write("a", [Part("x", rows("x", [7]), {"data_version": "two"})])
    assert before.read("x", ["row"])["row"].to_pylist() == [1, 2]
    assert lake.read_content("a", "x", ("data_version", "one"), ["row"])["row"].to_pylist() == [1, 2]
    assert lake.read_content("a", "x", ("data_version", "two"), ["row"])["row"].to_pylist() == [7]
    assert lake.read_content("a", "x", ("data_version", "three"), ["row"]) is None
    DeltaTable(lake.uri("a")).vacuum(0, enforce_retention_duration=False, dry_run=False, full=True)
    assert lake.read_content("a", "x", ("data_version", "one"), ["row"]) is None


def test_a_table_that_was_deleted_and_made_again_is_another(lake: Lake) -> None:
    lake.write("a", [Part("x", rows("x", [1]), {"n": 1})])
    assert lake.records("a")["x"]["n"] == 1
    shutil.rmtree(lake.uri("a"))
    assert lake.records("a") == {}
    lake.write("a", [Part("y", rows("y", [1]), {"n": 2})])
    assert lake.records("a").keys() == {"y"}


def test_records_are_found_behind_many_commits(lake: Lake) -> None:
    lake.write("a", [Part("old", rows("old", [1]), {"n": 0}), Part("void", rows("void", []), {"n": 0})])
    for n in range(1, 50):
        lake.write("a", [Part("new", rows("new", [n]), {"n": n})])
    fresh = load_snapshot(lake.uri("a"), None)
    assert {shard: record["n"] for shard, record in fresh.records.items()} == {"old": 0, "void": 0, "new": 49}
    assert fresh.records == lake.records("a")


def test_unknown_columns_are_named(lake: Lake) -> None:
    lake.write("a", [Part("x", rows("x", [1]), {})])
    with pytest.raises(LakeError, match=r"has no columns \['rov'\]; known: \['shard', 'row'"):
        lake.read("a", columns=["rov"])


def test_a_missing_table_says_what_to_do(lake: Lake) -> None:
    with pytest.raises(LakeError, match=r"no table 'scores/none' in the lake .*curate apply"):
        lake.read("scores/none")
    assert lake.records("scores/none") == {}


def test_a_held_lock_is_refused_or_waited_for(lake: Lake) -> None:
    with lake.lock("apply"):
        with pytest.raises(LakeError, match="another process holds the lock 'apply'"), lake.lock("apply", wait=False):
            pass
        with lake.lock("other", wait=False):
            pass
    with lake.lock("apply", wait=False):
        pass


def _write_shards(root: str, worker: int) -> None:
    lake = Lake(root=root)
    for i in range(3):
        shard = f"s{worker}_{i}"
        lake.write("scores/shared", [Part(shard, rows(shard, [0, 1]), {"shard": shard})])


@pytest.mark.slow
def test_processes_that_create_and_write_at_once_lose_nothing(lake: Lake) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_shards, args=(lake.root, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len(lake.shards("scores/shared")) == 12
    assert len(lake.records("scores/shared")) == 12
