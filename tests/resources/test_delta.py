"""The lake: partitions replaced whole, in order, with the record of what they were made from."""

import multiprocessing
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import LakeError
from resources.delta import Lake

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
    lake.write("scores/a", rows("x", [0, 2, 5]), shard="x", record={"shard": "x", "n": 1})
    lake.write("scores/a", rows("y", [1]), shard="y", record={"shard": "y", "n": 2})
    version = lake.write("scores/a", rows("x", [3], 0.25), shard="x", record={"shard": "x", "n": 3})
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
    lake.write("a", chunked, shard="x", record={"shard": "x"})
    assert lake.read("a", shard="x", columns=["row"])["row"].to_pylist() == numbers


def test_large_shard_keeps_its_order_in_one_file(lake: Lake) -> None:
    numbers = list(range(0, 300_000, 2))
    lake.write("a", rows("x", numbers), shard="x", record={"shard": "x"})
    assert lake.read("a", shard="x", columns=["row"])["row"].to_pylist() == numbers
    assert len(DeltaTable(lake.uri("a")).file_uris()) == 1


def test_an_empty_shard_is_made_and_reads_as_empty(lake: Lake) -> None:
    lake.write("a", rows("x", []), shard="x", record={"shard": "x", "rows": 0})
    assert len(lake.read("a", shard="x")) == 0
    assert lake.records("a")["x"]["rows"] == 0
    assert len(lake.read("a")) == 0


def test_a_table_without_shards_is_replaced_whole(lake: Lake) -> None:
    for n in (3, 2):
        lake.write("whole", pa.table({"k": pa.array(range(n), pa.int32())}), shard=None, record={"shard": None, "n": n})
    assert lake.read("whole")["k"].to_pylist() == [0, 1]
    assert lake.records("whole")[None]["n"] == 2


def test_rows_of_another_shard_or_out_of_order_are_refused(lake: Lake) -> None:
    with pytest.raises(LakeError, match=r"rows given for shard 'y' belong to \['x'\]"):
        lake.write("a", rows("x", [0]), shard="y", record={})
    for numbers in ([2, 1], [1, 1]):
        with pytest.raises(LakeError, match="ascending `row`, each once"):
            lake.write("a", rows("x", numbers), shard="x", record={})
    assert not lake.exists("a")


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
        lake.write("scores/shared", rows(shard, [0, 1]), shard=shard, record={"shard": shard})


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
