"""What a lake holds at a moment, over the shards that the pool has, and what of it is out of date."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from curation_assets.errors import LakeError, PoolError
from curation_assets.graph import Key, Node, partitions
from curation_assets.lineage.freshness import present_fingerprint, reasons_out_of_date

from .partitions import shard_files
from .project import FAILED_CHECKS, Project, Records, data_versions


@dataclass(frozen=True)
class State:
    """What the lake holds, and which tars the pool has."""

    project: Project
    files: dict[str, Path]
    records: dict[Key, Records]

    def out_of_date(self, node: Node) -> dict[str | None, list[str]]:
        """Why each partition of a node is out of date; those that cannot be made yet, for want of an input, say so."""
        shards = list(self.files)
        versions = {key: data_versions(self.records[key]) for key in node.inputs}
        found = {}
        for shard in partitions(node, shards):
            stamps = self.project.stamps(node, shard, self.files)
            recorded = self.records[node.key].get(shard)
            try:
                present = present_fingerprint(node, shard, self.project.graph, shards, versions, stamps=stamps)
            except LakeError:
                found[shard] = ["an input is missing"]
                continue
            if reasons := reasons_out_of_date(recorded, present):
                found[shard] = reasons
        return found

    def read(self, key: Key, columns: list[str]) -> pa.Table:
        """Columns of all shards of an artifact that the pool still has."""
        node = self.project.graph[key]
        shards = [shard for shard in self.files if shard in self.records[key]]
        parts = [self.project.lake.read(node.name, shard=shard, columns=columns) for shard in shards]
        return pa.concat_tables(parts) if parts else node.table.schema.empty_table().select(columns)

    def failed_checks(self, node: Node, shard: str | None) -> list[str]:
        """Blocking checks that the partition failed when it was made."""
        failed = self.records[node.key].get(shard, {}).get(FAILED_CHECKS, [])
        return [str(name) for name in failed] if isinstance(failed, list) else []


def read_state(project: Project) -> State:
    """The present state of a project.

    Raises:
        PoolError: the pool's path matches no file.
    """
    files = shard_files(project.recipe)
    if not files:
        raise PoolError(f"pool.path {project.recipe.file.pool.path!r} matches no file; give existing tars, or draw a demo pool")
    return State(project, files, {key: project.records(key) for key in project.graph})
