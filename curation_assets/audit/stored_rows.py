"""Rows of a lake as questions read them: shard by shard, each column once, and only what belongs to the present raw_pool."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from curation_assets.errors import LakeError
from curation_assets.holdings.state import State
from curation_assets.lineage.story import TableRead
from curation_assets.tables import Key
from resources.row_lookup import find_uid, holds_row
from resources.threads import computed_ahead

POOL: Key = ("raw_pool",)
UIDS = ["row", "uid_hi", "uid_lo"]
Place = tuple[str, int]  # shard, and row there


class StoredRows:
    """Reads tables of a state and keeps what was read, for as long as one question is answered."""

    def __init__(self, state: State) -> None:
        """Args: what the lake holds.

        Raises:
            LakeError: there is no pool in it.
        """
        if not state.records[POOL]:
            raise LakeError(f"the lake {state.project.lake.root} holds no pool yet; run curate apply first")
        self.state = state
        self.graph = state.project.graph
        self.shards = [shard for shard in state.shards if shard in state.snapshots[POOL].files]
        self._kept: dict[tuple[Key, str | None, tuple[str, ...] | None], pa.Table] = {}

    def fault(self, key: Key, shard: str | None) -> str:
        """Why a partition cannot be used for the present rows of the pool; empty if it can."""
        records = self.state.records[key]
        if shard not in records:
            return "it has not been made"
        if self.state.failed_checks(self.graph[key], shard):
            return "it failed a blocking check"
        pool = self.state.records[POOL].get(shard, {})
        is_joined = shard is not None and self.graph[key].made_with != POOL  # else it was written together with raw_pool
        if is_joined and records[shard].get("uid_digest") != pool.get("uid_digest"):
            return "it belongs to other rows of raw_pool than the present ones"
        return ""

    def is_stored(self, key: Key) -> bool:
        """Whether any partition of a table has been made."""
        return bool(self.state.records.get(key))

    def read(self, key: Key, shard: str | None, columns: list[str] | None = None) -> pa.Table:
        """Columns of a partition, in ascending row."""
        name = (key, shard, None if columns is None else tuple(columns))
        if name not in self._kept:
            self._kept[name] = self.state.snapshots[key].read(shard, columns)
        return self._kept[name]

    def row(self, key: Key, place: Place) -> dict[str, object] | None:
        """All columns of a sample in a sharded table; None if it has no row there."""
        table = self.read(key, place[0])
        at = position(table["row"].to_numpy(), place[1])
        return None if at is None else table.slice(at, 1).to_pylist()[0]

    def has_row(self, key: Key, place: Place) -> bool:
        """Whether a sample is in a sharded table whose shard may be used; for many samples, read the column `row` before."""
        shard, row = place
        if self.fault(key, shard):
            return False
        kept = self._kept.get((key, shard, ("row",)))
        if kept is None:
            return holds_row(self.state.snapshots[key], shard, row)
        return position(kept["row"].to_numpy(), row) is not None

    def places(self, uid_hi: int, uid_lo: int) -> list[Place]:
        """Every place of a uid in the pool; more than one if it is in several shards."""
        snapshot, uid = self.state.snapshots[POOL], (uid_hi, uid_lo)
        unread = [shard for shard in self.shards if (POOL, shard, tuple(UIDS)) not in self._kept]
        found = [place for shard in self.shards if shard not in unread for place in self._kept_places(shard, uid)]
        looked = self._each(unread, lambda shard: find_uid(snapshot, shard, uid, ["row"]))
        found += [(shard, int(row)) for shard, rows in zip(unread, looked, strict=True) for row in rows["row"].to_numpy()]
        return sorted(found)

    def tables(self, key: Key, shards: list[str], columns: list[str] | None = None) -> list[pa.Table]:
        """Columns of many shards, several read at once; they are then at hand for `read`."""
        return self._each(shards, lambda shard: self.read(key, shard, columns))

    def _each(self, shards: list[str], look: Callable[[str], pa.Table]) -> list[pa.Table]:
        """What is read of many shards, several at once."""
        if len(shards) < 2:
            return [look(shard) for shard in shards]
        return list(computed_ahead(look, shards))

    def _kept_places(self, shard: str, uid: tuple[int, int]) -> list[Place]:
        uids = self.read(POOL, shard, UIDS)
        at = np.flatnonzero(uids["uid_hi"].to_numpy() == uid[0])
        at = at[uids["uid_lo"].to_numpy()[at] == uid[1]] if len(at) else at
        return [(shard, int(row)) for row in uids["row"].to_numpy()[at]]

    def table_read(self, key: Key, shard: str | None) -> TableRead:
        """What wrote a partition."""
        record = self.state.records[key][shard]
        return TableRead(
            artifact=self.graph[key].name,
            shard=shard,
            delta_version=int(str(record["delta_version"])),
            code_version=str(record.get("code_version", "")),
            data_version=str(record["data_version"]),
            run_id=str(record.get("run_id", "")),
            written_at=written_at(record),
        )


def position(rows: np.ndarray, row: int) -> int | None:
    """Where a row number stands among ascending ones; None if it is not there."""
    at = int(np.searchsorted(rows, row))
    return at if at < len(rows) and rows[at] == row else None


def written_at(record: dict[str, object]) -> str:
    """When a record was written: UTC, ISO 8601, to the millisecond."""
    moment = datetime.fromtimestamp(int(str(record["written_at_ms"])) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds")
