"""Every Delta table below a lake's folder, whatever recipe made it, by the lake root that it belongs to.

The live lake is one root; every published version is a small lake of its own.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from curation_assets.errors import LakeError
from resources.delta import Lake

from .circumstances import records_digest
from .versions import FOLDER


@dataclass(frozen=True)
class LakeRoot:
    """A lake root and its tables.

    Args:
        name: path below the live lake, empty for that itself.
        path: folder.
        tables: names of all its tables, in alphabetical order.
    """

    name: str
    path: Path
    tables: tuple[str, ...]

    @cached_property
    def lake(self) -> Lake:
        return Lake(root=str(self.path))

    @property
    def is_live(self) -> bool:
        return not self.name

    def shown(self, table: str) -> str:
        """A table's name for people."""
        return f"{self.name}/{table}" if self.name else table

    def digest(self, table: str) -> str:
        """Digest of the data versions of a table's partitions, as a manifest has it of what its version was made from."""
        return records_digest(self.lake.records(table))


def lake_roots(lake: Lake) -> list[LakeRoot]:
    """All roots below a local lake, published versions first, so that the live lake is done last.

    Raises:
        LakeError: the lake is no folder.
    """
    if not lake.is_local or not Path(lake.root).is_dir():
        raise LakeError(f"samples are only taken down from a lake in a folder; {lake.root} is none")
    top = Path(lake.root)
    found: dict[str, list[str]] = {"": []}
    for table in _tables(top):
        parts = table.split("/")
        is_version = parts[0] == FOLDER and len(parts) > 3
        name = "/".join(parts[:3]) if is_version else ""
        found.setdefault(name, []).append("/".join(parts[3:]) if is_version else table)
    names = sorted(found, key=lambda name: (not name, name))
    return [LakeRoot(name, top / name, tuple(sorted(found[name]))) for name in names]


def _tables(top: Path) -> Iterator[str]:
    for folder, inner, _ in os.walk(top):
        if "_delta_log" in inner:
            yield Path(folder).relative_to(top).as_posix()
            inner.remove("_delta_log")
