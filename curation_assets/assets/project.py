"""A recipe, its graph and its lake together, and what the lake recorded of every partition."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from curation_assets.graph import Graph, Key, Node, build_graph
from curation_assets.recipe import Recipe
from resources.delta import Lake

from .partitions import file_stamp

FAILED_CHECKS = "failed_checks"
Records = dict[str | None, dict[str, object]]
_POOL: Key = ("raw_pool",)


@dataclass(frozen=True)
class Project:
    """A recipe, its graph, and the lake that holds its tables."""

    recipe: Recipe
    graph: Graph
    lake: Lake

    def records(self, key: Key) -> Records:
        """What each partition of an artifact was last made from."""
        return self.lake.records(self.graph[key].name)

    def stamps(self, node: Node, shard: str | None, files: Mapping[str, Path]) -> dict[str, str]:
        """Stamps of the files outside the lake that a partition reads."""
        if node.key in (_POOL, ("rejected_samples",)) and shard is not None:
            return file_stamp(self.recipe, files[shard])
        checkpoint = self.recipe.checkpoint
        if node.key == ("encoder",) and checkpoint is not None:
            return file_stamp(self.recipe, checkpoint)
        return {}


def open_project(recipe: Recipe) -> Project:
    """The project of a recipe, for use outside a Dagster run.

    Raises:
        RecipeError: artifacts need each other in a circle.
    """
    return Project(recipe, build_graph(recipe), Lake(root=recipe.lake))


def data_versions(records: Records) -> dict[str | None, str]:
    """Data version of each partition that may be read; those that failed a blocking check may not."""
    return {part: str(record["data_version"]) for part, record in records.items() if not record.get(FAILED_CHECKS)}
