"""A recipe, its graph and its lake together."""

from dataclasses import dataclass

from curation_assets.graph import build_graph
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.tables import Key
from resources.delta import Lake
from resources.snapshot import Records


@dataclass(frozen=True)
class Project:
    """A recipe, its graph, and the lake that holds its tables."""

    recipe: Recipe
    graph: Graph
    lake: Lake

    def records(self, key: Key) -> Records:
        """What each partition of an artifact was last made from."""
        return self.lake.records(self.graph[key].name)


def open_project(recipe: Recipe) -> Project:
    """The project of a recipe, for use outside a Dagster run.

    Raises:
        RecipeError: artifacts need each other in a circle.
    """
    return Project(recipe, build_graph(recipe), Lake(root=recipe.lake))
