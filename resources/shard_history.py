"""The commits of a Delta table that wrote one shard, and the rows that it had then."""

import pyarrow as pa
from deltalake.exceptions import DeltaError

from curation_assets.errors import LakeError

from .snapshot import Snapshot, snapshot_at, unfolded


def shard_history(snapshot: Snapshot, shard: str) -> list[tuple[int, dict[str, object]]]:
    """Every commit up to a snapshot that wrote a shard, oldest first: version of the table, and the shard's record.

    The record's `delta_version` is another one where the table is a frozen copy: that of the table it was copied from.
    """
    commits = snapshot.table.history()
    written = [(int(commit["version"]), unfolded(commit).get(shard)) for commit in reversed(commits)]
    return [(version, record) for version, record in written if record is not None]


def rows_at(
    snapshot: Snapshot, version: int, shard: str, columns: list[str], storage_options: dict[str, str] | None
) -> pa.Table | None:
    """Rows that a shard had at a version of its table; None when the lake no longer has them."""
    try:
        table = snapshot if version == snapshot.version else snapshot_at(snapshot.uri, storage_options, version)
        return table.read(shard, columns)
    except (OSError, DeltaError, LakeError):  # vacuumed since, its log is gone, or it had other columns
        return None
