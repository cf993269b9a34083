"""Files that tables share are looked at once, and what takes their place is shared again."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_assets.audit.shared_files import SharedFiles
from resources.delta import Lake, Part
from resources.frozen_table import freeze


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
