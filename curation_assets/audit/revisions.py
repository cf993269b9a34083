"""What a sample was each time its shard was read from the source."""

import hashlib

import numpy as np
import pyarrow as pa

from curation_assets.lineage.story import Revision
from resources.shard_history import rows_at, shard_history

from .stored_rows import POOL, StoredRows, written_at

_COLUMNS = ["row", "uid_hi", "uid_lo", "image_sha256", "text"]
Then = tuple[int, str | None, str] | None  # row, sha256 of the image and of the caption; None: it was not there


class Revisions:
    """Reads the log of raw_pool once for every shard that is asked about."""

    def __init__(self, stored: StoredRows) -> None:
        self._stored = stored
        self._kept: dict[str, list[tuple[dict[str, object], pa.Table | None]]] = {}

    def of(self, shard: str, uid_hi: int, uid_lo: int) -> tuple[Revision, ...]:
        """Revisions of a sample, oldest first."""
        if shard not in self._kept:
            self._kept[shard] = self._read(shard)
        versions = self._kept[shard]
        found: list[Revision] = []
        before: list[Then] = []
        for number, (record, rows) in enumerate(versions):
            then = None if rows is None else _sample(rows, uid_hi, uid_lo)
            differs = _differences(before[-1], then) if before and rows is not None else ()
            found.append(_revision(record, number == len(versions) - 1, rows is not None, then, differs))
            before += [] if rows is None else [then]
        return tuple(found)

    def _read(self, shard: str) -> list[tuple[dict[str, object], pa.Table | None]]:
        snapshot = self._stored.state.snapshots[POOL]
        options = self._stored.state.project.lake.storage_options or None
        commits = shard_history(snapshot, shard)
        read = []
        for number, (version, record) in enumerate(commits):
            is_current = number == len(commits) - 1
            rows = snapshot.read(shard, _COLUMNS) if is_current else rows_at(snapshot, version, shard, _COLUMNS, options)
            read.append((record, rows))
        return read


def _sample(rows: pa.Table, uid_hi: int, uid_lo: int) -> Then:
    at = np.flatnonzero((rows["uid_hi"].to_numpy() == uid_hi) & (rows["uid_lo"].to_numpy() == uid_lo))
    if not len(at):
        return None
    row = rows.slice(int(at[0]), 1).to_pylist()[0]
    image = None if row["image_sha256"] is None else row["image_sha256"].hex()
    return row["row"], image, hashlib.sha256(row["text"].encode()).hexdigest()


def _differences(before: Then, then: Then) -> tuple[str, ...]:
    if before is None or then is None:
        return ("presence",) if before != then else ()
    return tuple(name for name, old, new in zip(("image_sha256", "text"), before[1:], then[1:], strict=True) if old != new)


def _revision(record: dict[str, object], is_current: bool, is_readable: bool, then: Then, differs: tuple[str, ...]) -> Revision:
    row, image, text = then or (None, None, None)
    inputs = record.get("inputs")
    return Revision(
        delta_version=int(str(record["delta_version"])),
        written_at=written_at(record),
        run_id=str(record.get("run_id", "")),
        data_version=str(record["data_version"]),
        files={str(name): str(stamp) for name, stamp in inputs.items()} if isinstance(inputs, dict) else {},
        is_current=is_current,
        is_readable=is_readable,
        row=row,
        image_sha256=image,
        text_sha256=text,
        differs=differs,
    )
