"""Projects with published versions for tests: copies of one lake, which each test may damage."""

import shutil
from pathlib import Path

import dagster as dg

from curation_assets.holdings.project import Project
from tests.small_project import SUBSETS, make_project, run_apply

# Nothing is 1,000 pixels high in the drawn pool.
WITH_NOTHING: dict[str, object] = {**SUBSETS, "nothing": {"from": "basic", "keep": [{"image_size": {"min_side_px": 1000}}]}}


def curated(folder: Path, pool: Path) -> Project:
    """A project with everything made."""
    project = make_project(folder, pool / "pool" / "*.tar", WITH_NOTHING)
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run_apply(project, instance).failed
    return project


def moved(project: Project, folder: Path) -> Project:
    """The same project with its whole lake copied to another folder."""
    shutil.copytree(project.lake.root, folder / "lake")
    return make_project(folder, str(project.recipe.file.pool.path), WITH_NOTHING)
