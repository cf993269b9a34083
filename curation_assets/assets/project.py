"""A recipe with its graph and its lake, opened for use outside a Dagster run."""

from resources.delta import Lake

from ..graph import build_graph
from ..recipe import Recipe
from .step import Project


def open_project(recipe: Recipe) -> Project:
    """The project of a recipe.

    Raises:
        RecipeError: artifacts need each other in a circle.
    """
    return Project(recipe, build_graph(recipe), Lake(root=recipe.lake))
