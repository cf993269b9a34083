"""All tables of one lake as they are found on disk: of the live lake, or of one published version."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from curation_assets.lineage.freshness import partition_name
from curation_assets.nodes import Graph, Node
from curation_assets.recipe import SubsetPlan
from resources.stored_files import StoredTable

Record = Mapping[str, object]
# Positions of rows of raw_pool or members that were taken down.
Matcher = Callable[[pa.Table], list[int]]


@dataclass(frozen=True)
class LakeTables:
    """The tables of a lake that could be opened.

    Args:
        prefix: of their names in findings: empty, or `published/<dataset>/v<number>/`.
        graph: artifacts of the recipe that made them; empty if it is not known.
        plans: subsets of that recipe.
        tables: by name below the lake's root.
        is_redacted: whether rows of a version were taken down, so that its cuts are those of rows of which some are gone.
    """

    prefix: str
    graph: Graph
    plans: tuple[SubsetPlan, ...]
    tables: Mapping[str, StoredTable]
    is_redacted: bool = False
    _behind: dict[int, bool] = field(default_factory=dict)

    @property
    def is_version(self) -> bool:
        return bool(self.prefix)

    @property
    def names(self) -> list[str]:
        """Tables in the order in which they are made: those of the recipe, raw_pool first, then all others."""
        known = [node.name for node in self.graph.values() if node.name in self.tables]
        first = [name for name in ("raw_pool", "rejected_samples") if name in self.tables]
        return list(dict.fromkeys([*first, *known, *sorted(self.tables)]))

    @property
    def shards(self) -> list[str]:
        """All shards that any table has rows or a record of, in alphabetical order."""
        sharded = [table for table in self.tables.values() if table.is_sharded]
        return sorted({part for table in sharded for part in self.parts(table) if part is not None})

    def parts(self, table: StoredTable) -> set[str | None]:
        """Partitions of a table that have rows or a record."""
        return {*table.snapshot.files, *table.snapshot.records}

    def node(self, name: str) -> Node | None:
        """The artifact that a table holds; None if the recipe has none of the name."""
        return self.graph.get(tuple(name.split("/")))

    def record(self, name: str, part: str | None) -> Record | None:
        """What the log says of a partition."""
        table = self.tables.get(name)
        return None if table is None else table.snapshot.records.get(part)

    def is_behind(self, name: str, part: str | None) -> bool:
        """Whether an input has been made again since a partition was made, so that the two need not agree."""
        return not self.is_version and self._is_behind(self.record(name, part), 0)

    def _is_behind(self, record: Record | None, depth: int) -> bool:
        inputs = None if record is None else record.get("inputs")
        if not isinstance(inputs, Mapping) or depth > len(self.tables):
            return False
        if id(inputs) not in self._behind:  # what a commit's partitions share is one object
            self._behind[id(inputs)] = False
            found = ((version, self._present.get(name)) for name, version in inputs.items())
            self._behind[id(inputs)] = any(
                now is not None and (now.get("data_version") != version or self._is_behind(now, depth + 1))
                for version, now in found
            )
        return self._behind[id(inputs)]

    @cached_property
    def _present(self) -> Mapping[str, Record]:
        tables = self.tables.items()
        return {partition_name(n, part): record for n, table in tables for part, record in table.snapshot.records.items()}


@dataclass
class Seen:
    """How much an audit has read."""

    tables: int = 0
    partitions: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Scope:
    """What an audit looks at, and how it tells of its progress.

    Args:
        is_quick: whether digests are left out.
        progress: takes lines for people.
        taken_down: finds rows that must not be there.
        seen: counts what was read.
    """

    is_quick: bool
    progress: Callable[[str], None]
    taken_down: Matcher | None
    seen: Seen


def source_of(plan: SubsetPlan) -> str:
    """Table that a subset narrows."""
    return "raw_pool" if plan.source is None else f"subsets/{plan.source}"


def plan_of(lake: LakeTables, name: str) -> SubsetPlan | None:
    """The subset that a table `subsets/x` or `decisions/x` belongs to."""
    group, _, subset = name.partition("/")
    return next((p for p in lake.plans if p.name == subset), None) if group in ("subsets", "decisions") else None


def files_of(table: StoredTable, part: str | None) -> Iterator[str]:
    """Paths of the files of a partition."""
    return (file.path for file in table.files if file.shard == part)
