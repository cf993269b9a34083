"""What a lake holds at a moment, which tars the pool has, and what of it all is out of date."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from curation_assets.algorithms.labels import label_of
from curation_assets.errors import PoolError
from curation_assets.lineage.freshness import Partition
from curation_assets.lineage.planning import FAILED_CHECKS, Planned, Situation, data_versions
from curation_assets.nodes import Node
from curation_assets.tables import Key
from resources.snapshot import Records, Snapshot

from .project import Project
from .shards import feature_stamp, file_stamp, outside_stamps, shard_files, shard_stamp

_POOL: Key = ("raw_pool",)
_CENTROIDS: Key = ("centroids",)
# Stamp of a shard whose tar has disappeared: its rows are removed by making it once more, empty.
_REMOVED = {"file": "removed from the pool"}


@dataclass(frozen=True)
class State:
    """What the lake holds, and which tars the pool has.

    Args:
        project: recipe, graph and lake.
        files: tar of each shard that the pool has.
        shards: those, and the shards that the lake has rows or records of although their tar is gone.
        snapshots: newest version of each artifact's table, at the moment when this was read.
    """

    project: Project
    files: Mapping[str, Path]
    shards: list[str]
    snapshots: Mapping[Key, Snapshot | None]

    @cached_property
    def records(self) -> dict[Key, Records]:
        """What each partition was last made from."""
        return {key: {} if snapshot is None else snapshot.records for key, snapshot in self.snapshots.items()}

    @cached_property
    def versions(self) -> dict[Key, dict[str | None, str]]:
        """Data versions of the partitions that may be read."""
        return {key: data_versions(records) for key, records in self.records.items()}

    @cached_property
    def planned(self) -> dict[Partition, Planned]:
        """Every partition that is out of date, or may come to be, upstream before downstream."""
        return Situation(self.project.graph, self.shards, self.records, self.outside).out_of_date()

    def out_of_date(self, node: Node) -> dict[str | None, list[str]]:
        """Why each partition of a node is out of date, or may come to be."""
        return {shard: list(found.reasons) for (key, shard), found in self.planned.items() if key == node.key}

    def outside(self, node: Node, shard: str | None) -> tuple[Mapping[str, str], tuple[str, ...]]:
        """Stamps of the files that a partition reads outside the lake, and the limits of the recipe that it has passed."""
        if _POOL in (node.key, node.made_with):
            return (shard_stamp(self.project.recipe, self.files[shard]) if shard in self.files else _REMOVED), ()
        recipe = self.project.recipe
        if (label := label_of(node.key, "embeddings")) is not None and recipe.encoders[label].features and shard in self.files:
            return feature_stamp(recipe, self.files[shard]), ()  # read there, not from raw_pool
        label = label_of(node.key, "encoder")
        if label is not None and (checkpoint := recipe.checkpoint(label)) is not None:
            return file_stamp(recipe, checkpoint), ()
        if node.outside:
            return outside_stamps(recipe, node.outside), ()
        return {}, self._reasons_to_fit(node)

    def read(self, key: Key, columns: list[str]) -> pa.Table:
        """Columns of all shards of an artifact that the pool still has."""
        found = self.snapshots[key]
        parts = [] if found is None else [found.read(shard, columns) for shard in self.files if shard in found.records]
        return pa.concat_tables(parts) if parts else self.project.graph[key].table.schema.empty_table().select(columns)

    def failed_checks(self, node: Node, shard: str | None) -> list[str]:
        """Blocking checks that the partition failed when it was made."""
        failed = self.records[node.key].get(shard, {}).get(FAILED_CHECKS, [])
        return [str(name) for name in failed] if isinstance(failed, list) else []

    @property
    def drift(self) -> float | None:
        """Drift of the present centroids; None where it has not been measured."""
        measured = self.records[("cluster_drift",)].get(None, {})
        inputs, centroids = measured.get("inputs"), self.versions[_CENTROIDS].get(None)
        is_theirs = isinstance(inputs, dict) and inputs.get("centroids") == centroids
        return float(str(measured["drift"])) if is_theirs else None

    def _reasons_to_fit(self, node: Node) -> tuple[str, ...]:
        """Why what is frozen is made again all the same; no reason if it has already seen all that there is now."""
        recorded = self.records[node.key].get(None) if node.pinned else None
        if recorded is None:
            return ()
        fitted, parts = recorded.get("inputs"), [key for key in node.pinned if key != _POOL]
        now = {f"{'/'.join(key)}[{shard}]": version for key in parts for shard, version in self.versions[key].items()}
        starts = tuple(f"{'/'.join(key)}[" for key in parts)
        has_seen = {name: v for name, v in fitted.items() if name.startswith(starts)} if isinstance(fitted, dict) else {}
        if has_seen == now:
            return ()
        if not recorded.get("rows"):
            return ("fitted on no samples",)
        settings = self.project.recipe.file.clusters
        is_passed = (
            node.key == _CENTROIDS
            and settings.policy == "refit_on_drift"
            and self.drift is not None
            and self.drift > settings.max_drift
        )
        return (f"drift {self.drift:.3f} exceeds {settings.max_drift:g}",) if is_passed else ()


def read_state(project: Project) -> State:
    """The present state of a project.

    Raises:
        PoolError: the pool's path matches no file, or so many shards are gone at once that a mount is probably lost.
    """
    files, pool = shard_files(project.recipe), project.recipe.file.pool
    if not files:
        raise PoolError(f"pool.path {pool.path!r} matches no file; give existing tars, or draw a demo pool")
    snapshots = {key: project.lake.snapshot(node.name) for key, node in project.graph.items()}
    recorded = {} if snapshots[_POOL] is None else snapshots[_POOL].records
    shards = sorted({*files, *(shard for shard in recorded if shard is not None)})
    gone = [s for s in shards if s not in files and not _REMOVED.items() <= dict(recorded[s]["inputs"]).items()]
    present = len([s for s in recorded if s in files]) + len(gone)
    if len(gone) > max(1, pool.max_removed_fraction * present):
        raise PoolError(
            f"{len(gone):,} of {present:,} shards, such as {gone[0]}, are no longer matched by pool.path {pool.path!r}; "
            "bring them back, or raise pool.max_removed_fraction if they are meant to be removed"
        )
    return State(project, files, shards, snapshots)
