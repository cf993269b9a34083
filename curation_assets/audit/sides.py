"""A set of rows that is asked about: a live subset or a published version, with the chain of subsets down to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.identity import Halves
from curation_assets.audit.versions import MEMBERS, Version, find_version, open_version, parse_reference, stored_state
from curation_assets.errors import LakeError
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State
from curation_assets.holdings.stored import Read, stored_stage
from curation_assets.keep import describe
from curation_assets.lineage.diff import Stage
from curation_assets.lineage.freshness import partition_name
from curation_assets.lineage.score_history import Recorded
from curation_assets.recipe import SubsetPlan
from curation_assets.recipe_override import subset_chain
from curation_assets.tables import Key

_POOL: Key = ("raw_pool",)
_REMOVED = "removed from the pool"  # what the record of a shard says whose file is gone


@dataclass(frozen=True)
class Rows:
    """Rows of a pool: uids as int64 halves, number of the shard among `shards`, and row there; shape (n,) each."""

    shards: list[str]
    uid: Halves
    shard: np.ndarray
    row: np.ndarray

    def take(self, at: np.ndarray) -> "Rows":
        return Rows(self.shards, (self.uid[0][at], self.uid[1][at]), self.shard[at], self.row[at])

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Side:
    """A live subset (`version` None), or a published version, as stored."""

    name: str
    subset: str
    version: Version | None
    state: State

    @property
    def key(self) -> Key:
        return ("subsets", self.subset)

    @cached_property
    def contents(self) -> dict[str, str]:
        """Data version of each shard that the subset has rows of.

        Raises:
            LakeError: a shard of the pool has none, or it failed a blocking check.
        """
        pool, found = self.state.versions[_POOL], self.state.versions[self.key]
        if missing := sorted(str(shard) for shard in {*pool, *self.state.records[self.key]} - {*found}):
            raise LakeError(
                f"{partition_name('/'.join(self.key), missing[0])} of {self.name} is not stored or failed a check "
                f"({len(missing):,} of {len(pool):,} shards); run curate apply first"
            )
        records = self.state.records[self.key]
        return {str(shard): version for shard, version in found.items() if records[shard]["rows"]}

    @property
    def rows(self) -> int:
        """Rows that are stored, a uid in two shards twice.

        Raises:
            LakeError: a published version has lost its members.
        """
        if self.version is not None:
            # Those of now: a manifest keeps the number that was published, whatever was taken down since.
            lake = self.state.project.lake
            if None not in lake.records(MEMBERS):
                raise LakeError(f"{self.name} has no table of members in {lake.root}; curate audit says what else is wrong")
            return int(str(lake.records(MEMBERS)[None]["rows"]))
        return sum(int(str(self.state.records[self.key][shard]["rows"])) for shard in self.contents)

    @cached_property
    def chain(self) -> list[Stage]:
        """The subset after those that it narrows, with their cuts.

        Raises:
            LakeError: the recipe was edited since, so that its filters are not those that decided.
        """
        plans = subset_chain(self.state.project.recipe, self.subset)
        for plan in plans if self.version is None else ():
            self._require_recipe(plan)
        return [stored_stage(self.reading(None), plan) for plan in plans]

    def _require_recipe(self, plan: SubsetPlan) -> None:
        keep, source = describe(plan.keep), f"subsets/{plan.source}" if plan.source else "raw_pool"
        for shard, record in self.state.records[("subsets", plan.name)].items():
            parameters, inputs = (record.get(name) for name in ("parameters", "inputs"))
            is_same = isinstance(parameters, Mapping) and parameters.get("keep") == keep
            if not (is_same and isinstance(inputs, Mapping) and partition_name(source, shard) in inputs):
                raise LakeError(
                    f"{partition_name(f'subsets/{plan.name}', shard)} was decided by other filters, or from another source, "
                    f"than {self.state.project.recipe.path} has now, so that no cause can be named; run curate apply first"
                )

    @property
    def recorded(self) -> Recorded:
        return Recorded(self.state.project.graph, self.state.records)

    def reading(self, shard: str | None) -> Read:
        """Reads columns of an artifact: of this shard, or of the whole if it has no shards.

        Raises:
            LakeError: the artifact is not stored.
        """

        def read(key: Key, columns: list[str] | None) -> pa.Table:
            found, node = self.state.snapshots.get(key), self.state.project.graph.get(key)
            if found is None or node is None:
                raise LakeError(f"{self.name} has no table {'/'.join(key)}; run curate apply first")
            return found.read(shard if node.is_sharded else None, columns)

        return read

    def has_shard(self, shard: str) -> bool:
        """Whether the pool has the shard; one whose file is gone has a record all the same."""
        inputs = self.state.records[_POOL].get(shard, {}).get("inputs")
        return isinstance(inputs, Mapping) and inputs.get("file") != _REMOVED

    def pool_uids(self, shard: str) -> tuple[Halves, np.ndarray]:
        """Uids of a shard's samples, and their rows."""
        found = self.reading(shard)(_POOL, ["uid_hi", "uid_lo", "row"])
        return (found["uid_hi"].to_numpy(), found["uid_lo"].to_numpy()), found["row"].to_numpy()

    def members(self, shards: Iterable[str]) -> Rows:
        """Rows of the set in some of its shards."""
        wanted = sorted(shards)
        if self.version is None:
            parts = [self.reading(shard)(self.key, ["uid_hi", "uid_lo", "row"]) for shard in wanted]
            code = np.repeat(np.arange(len(wanted)), [len(part) for part in parts])
            return _rows(wanted, code, parts)
        names = ["uid_hi", "uid_lo", "pool_row", "pool_shard"]
        found = self.state.project.lake.read(MEMBERS, columns=names) if wanted else None
        if found is None:
            return _rows([], np.zeros(0, np.int64), [])
        code = pc.index_in(found["pool_shard"], value_set=pa.array(wanted, pa.string()))
        inside = pc.is_valid(code)
        rows = found.filter(inside).rename_columns(["uid_hi", "uid_lo", "row", "pool_shard"])
        return _rows(wanted, code.filter(inside).to_numpy(), [rows])


def open_side(project: Project, reference: str) -> Side:
    """A subset, or `dataset@version`, as a side of a comparison.

    Raises:
        ArgumentError: there is no such subset or version.
        LakeError: the subset has never been made.
    """
    name, number = parse_reference(reference)
    version = None if number is None else find_version(project, name, number)
    there = project if version is None else open_version(project, version)
    subset_chain(there.recipe, name)
    side = Side(reference if version is None else version.name, name, version, stored_state(there))
    if side.state.snapshots[side.key] is None:
        raise LakeError(f"{'/'.join(side.key)} is not stored yet; run curate apply first")
    return side


def by_group(*codes: np.ndarray) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """Groups of n rows with the same codes (numbers from 0), each with its codes and the indices of its rows, ascending."""
    if not len(codes[0]):
        return []
    sizes = [int(code.max()) + 1 for code in codes]
    found, group = np.unique(np.ravel_multi_index(codes, sizes), return_inverse=True)
    ends = np.cumsum(np.bincount(group))[:-1]
    parts = np.split(np.argsort(group, kind="stable"), ends)
    return [(tuple(int(c) for c in np.unravel_index(code, sizes)), part) for code, part in zip(found, parts, strict=True)]


def _rows(shards: list[str], code: np.ndarray, parts: list[pa.Table]) -> Rows:
    found = {name: [part[name].to_numpy() for part in parts] for name in ("uid_hi", "uid_lo", "row")}
    hi, lo, row = (np.concatenate([np.zeros(0, np.int64), *found[name]]) for name in ("uid_hi", "uid_lo", "row"))
    return Rows(shards, (hi, lo), code.astype(np.int64), row)
