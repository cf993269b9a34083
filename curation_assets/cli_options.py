"""Options that commands share, and the project that they mean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .holdings.project import Project

RecipeOption = Annotated[
    Path | None, typer.Option("--recipe", help="Recipe file; else $CURATION_RECIPE, else ./curation.yaml.")
]
SelectOption = Annotated[
    list[str] | None,
    typer.Option("--select", help="Artifact or pattern: subsets/*, or embeddings[00000]; repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def project_of(recipe: Path | None) -> "Project":
    """The project of a recipe, or of the one in effect."""
    from .holdings.project import open_project
    from .recipe import load_recipe

    return open_project(load_recipe(recipe))
