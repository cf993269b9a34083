"""Whether a subset or published version lies inside another, and how far any two of them overlap: exact, by uid."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pyarrow as pa

from curation_assets.errors import LakeError
from curation_assets.holdings.project import Project
from curation_assets.lineage.planning import data_versions
from curation_assets.lineage.uid_sets import UidSet, common, uid_set
from curation_assets.recipe_override import subset_chain
from resources.delta import Lake
from resources.row_lookup import uid_range
from resources.snapshot import Snapshot

from .versions import MEMBERS, Version, find_version, parse_reference, versions

SCHEMA = 1
_HALVES = ["uid_hi", "uid_lo"]


@dataclass(frozen=True)
class Contains:
    """The answer of `contains`; `schema` is raised when a field changes its meaning.

    Args:
        a: subset, or published version, as it was named.
        b: the other one.
        rows_a: rows of a, where a sample that lies in two shards counts twice.
        rows_b: rows of b.
        both: uids that are in both, each once.
        only_a: uids that are in a alone.
        only_b: uids that are in b alone.
        a_in_b: whether every uid of a is in b.
        b_in_a: whether every uid of b is in a.
        jaccard: uids in both over uids in either; 1 for two empty sets.
        decided_by: same_content, empty, uid_ranges or uids.
    """

    schema: int
    a: str
    b: str
    rows_a: int
    rows_b: int
    both: int
    only_a: int
    only_b: int
    a_in_b: bool
    b_in_a: bool
    jaccard: float
    decided_by: str


@dataclass(frozen=True)
class ContainmentMatrix:
    """Overlaps of many sets: `both[i][j]` uids are in set i and in set j; `uids[i]` is the size of set i.

    `left_out` says which subsets cannot be read, and why.
    """

    names: tuple[str, ...]
    uids: tuple[int, ...]
    both: tuple[tuple[int, ...], ...]
    left_out: tuple[str, ...] = ()

    def is_inside(self, i: int, j: int) -> bool:
        """Whether every uid of set i is in set j."""
        return self.both[i][j] == self.uids[i]


@dataclass(frozen=True)
class _Side:
    """A set of uids that is stored: what is known without reading it, and its uids."""

    name: str
    table: Snapshot
    parts: tuple[str | None, ...]
    digest: str | None

    @property
    def rows(self) -> int:
        return sum(int(str(self.table.records[part]["rows"])) for part in self.parts)

    @property
    def versions(self) -> tuple[object, ...]:
        """What says that the content is the same: same table, same partitions, same data versions."""
        return (self.table.uri, *((part, self.table.records[part]["data_version"]) for part in self.parts))

    @property
    def limits(self) -> tuple[int, int] | None:
        found = [limits for part in self.parts if (limits := uid_range(self.table, part)) is not None]
        return (min(low for low, _ in found), max(high for _, high in found)) if found else None

    @property
    def is_known_once(self) -> bool:
        """Whether no uid can come twice, since none does within a shard."""
        return sum(int(str(self.table.records[part]["rows"])) > 0 for part in self.parts) <= 1 and self.parts != (None,)

    @cached_property
    def uids(self) -> UidSet:
        tables = [self.table.read(part, _HALVES) for part in self.parts]
        halves = pa.concat_tables(tables) if tables else None
        if halves is None:
            return uid_set(np.zeros(0, np.int64), np.zeros(0, np.int64))
        return uid_set(halves["uid_hi"].to_numpy(), halves["uid_lo"].to_numpy())

    @property
    def count(self) -> int:
        """Number of different uids; read only where rows do not tell."""
        return self.rows if not self.rows or self.is_known_once else len(self.uids)


def contains(project: Project, a: str, b: str) -> Contains:
    """How two sets overlap; each is a subset, or a published version such as `train@2`.

    Args:
        project: recipe, graph and lake.
        a: one.
        b: the other.

    Raises:
        ArgumentError: there is no such subset or version; lists the known ones.
        LakeError: the subset, or a shard of it, has not been made, or failed a check.
    """
    left, right = _side(project, a), _side(project, b)
    decided_by, both = _decided(left, right)
    count_a = left.count if decided_by != "uids" else len(left.uids)
    count_b = count_a if decided_by == "same_content" else right.count
    both = count_a if decided_by == "same_content" else both
    either = count_a + count_b - both
    return Contains(
        schema=SCHEMA,
        a=a,
        b=b,
        rows_a=left.rows,
        rows_b=right.rows,
        both=both,
        only_a=count_a - both,
        only_b=count_b - both,
        a_in_b=both == count_a,
        b_in_a=both == count_b,
        jaccard=both / either if either else 1.0,
        decided_by=decided_by,
    )


def containment_matrix(project: Project) -> ContainmentMatrix:
    """How all live subsets and all published versions overlap; each is read once.

    Memory is 16 bytes a row of all of them together.
    """
    sides, left_out = [], []
    for side in _all_sides(project):
        try:
            sides.append(side())
        except LakeError as error:
            left_out.append(str(error))
    sets = [side.uids for side in sides]
    both = [[0] * len(sets) for _ in sets]
    for i, one in enumerate(sets):
        both[i][i] = len(one)
        for j in range(i):
            both[i][j] = both[j][i] = common(one, sets[j])
    names, uids = tuple(side.name for side in sides), tuple(len(one) for one in sets)
    return ContainmentMatrix(names, uids, tuple(tuple(row) for row in both), tuple(left_out))


def _decided(a: _Side, b: _Side) -> tuple[str, int]:
    """What decides how two sets overlap, the cheapest first, and how many uids they share (not for equal ones)."""
    if (a.digest is not None and a.digest == b.digest) or a.versions == b.versions:
        return "same_content", 0
    if not a.rows or not b.rows:
        return "empty", 0
    one, other = a.limits, b.limits
    if one is not None and other is not None and (one[1] < other[0] or other[1] < one[0]):
        return "uid_ranges", 0
    return "uids", common(a.uids, b.uids)


def _all_sides(project: Project) -> Iterator[Callable[[], _Side]]:
    yield from (partial(_live, project, plan.name) for plan in project.recipe.subsets)
    yield from (partial(_published, version) for version in versions(project))


def _side(project: Project, reference: str) -> _Side:
    name, number = parse_reference(reference)
    if number is not None:
        return _published(find_version(project, name, number))
    subset_chain(project.recipe, name)
    return _live(project, name)


def _live(project: Project, subset: str) -> _Side:
    table = project.lake.snapshot(f"subsets/{subset}")
    if table is None:
        raise LakeError(f"the subset {subset!r} has not been made in {project.lake.root}; run curate apply first")
    usable = data_versions(table.records)
    failed = [shard for shard in table.records if shard not in usable]
    if failed:
        raise LakeError(f"subsets/{subset}[{failed[0]}] failed a blocking check; curate status says which")
    missing = sorted(str(shard) for shard in {*data_versions(project.lake.records("raw_pool"))} - {*usable})
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise LakeError(f"subsets/{subset}[{missing[0]}]{more} has not been made of raw_pool yet; run curate apply first")
    return _Side(subset, table, tuple(sorted(usable, key=str)), None)


def _published(version: Version) -> _Side:
    table = Lake(root=str(version.folder)).snapshot(MEMBERS)
    if table is None:
        raise LakeError(f"{version.name} has no table of members in {version.folder}; curate audit says what else is wrong")
    # The digest speaks for the rows as they were published; a takedown since has written others.
    is_whole = table.records[None]["data_version"] == version.manifest.get("content_digest")
    digest = version.manifest.get("uid_digest")
    return _Side(version.name, table, (None,), str(digest) if is_whole and digest else None)
