"""What is known of data files that several tables have in common: published versions share theirs with the live tables."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from resources.snapshot import Snapshot

_Found = TypeVar("_Found")
# Rows that are kept between looking and writing; others are read a second time.
_MOST_BYTES = 1 << 30


@dataclass
class SharedFiles:
    """Answers about files, each found once however many tables have the file. Only while no file of the lake is deleted.

    Args:
        rewritten: file that has taken the place of others, by what was done to which.
    """

    rewritten: dict[Hashable, Path] = field(default_factory=dict)
    _answers: dict[Hashable, object] = field(default_factory=dict)
    _rows: dict[Hashable, pa.Table] = field(default_factory=dict)
    _bytes: int = 0

    def once(self, snapshot: Snapshot | None, shard: str | None, asked: Hashable, find: Callable[[], _Found]) -> _Found:
        """What `find` says about a partition's files; asked once of equal files."""
        identity = () if snapshot is None else snapshot.identity(shard)
        if not identity:
            return find()
        key = (identity, asked)
        if key not in self._answers:
            self._answers[key] = find()
        return self._answers[key]

    def hold(self, key: Hashable, rows: pa.Table) -> None:
        """Keep rows until they are taken, if there is room."""
        if self._bytes + rows.nbytes <= _MOST_BYTES and key not in self._rows:
            self._rows[key] = rows
            self._bytes += rows.nbytes

    def take(self, key: Hashable) -> pa.Table | None:
        """Rows that were kept, which are then no longer."""
        rows = self._rows.pop(key, None)
        self._bytes -= 0 if rows is None else rows.nbytes
        return rows
