"""A recipe with its graph and its lake, opened for use outside a Dagster run."""

from curation_assets.graph import build_graph
from curation_assets.recipe import Recipe
from resources.delta import Lake

from .step import Project


def open_project(recipe: Recipe) -> Project:
    """The project of a recipe.

    Raises:
        RecipeError: artifacts need each other in a circle.
    """
    return Project(recipe, build_graph(recipe), Lake(root=recipe.lake))
