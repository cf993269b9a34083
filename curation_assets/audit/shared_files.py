"""What is known of data files that several tables have in common: published versions share theirs with the live tables."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TypeVar

import pyarrow as pa

from resources.snapshot import Snapshot
from resources.table_layout import data_file

_Found = TypeVar("_Found")
# Of new files that are kept between looking and writing; others are made a second time.
_MOST_BYTES = 1 << 30


@dataclass
class SharedFiles:
    """Answers about files, each found once however many tables have the file. Only while no file of the lake is deleted.

    Args:
        room: bytes of new files that may be kept until they are written.
        rewritten: file that has taken the place of others, by what was done to which.
    """

    room: int = _MOST_BYTES
    rewritten: dict[Hashable, Path] = field(default_factory=dict)
    _answers: dict[Hashable, object] = field(default_factory=dict)
    _files: dict[Hashable, pa.Buffer] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

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
        """Keep the data file of some rows until it is taken, if there is room."""
        if self.room > 0:
            self._files[key] = data_file(rows)
            with self._lock:
                self.room -= self._files[key].size

    def take(self, key: Hashable) -> pa.Buffer | None:
        """A file that was kept, which is then no longer."""
        file = self._files.pop(key, None)
        with self._lock:
            self.room += 0 if file is None else file.size
        return file
