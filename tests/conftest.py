"""Fixtures: a drawn pool, a project over it with everything made, and the real pool where it is at hand."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import settings

from curation_assets.assets.apply import Applied
from curation_assets.audit.publish import publish
from curation_assets.demo.pool import generate_pool
from curation_assets.holdings.project import Project
from tests.asked_project import ASKED
from tests.small_project import make_project, run_apply

Curated = tuple[Project, Applied, dg.DagsterInstance]
SHARED = Path(__file__).parents[2] / "shared"

settings.register_profile("fast", max_examples=25)


@pytest.fixture(scope="session")
def drawn_pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a demo pool of 2 shards with 90 samples each."""
    folder = tmp_path_factory.mktemp("drawn")
    generate_pool(folder, shards=2, samples_per_shard=90, seed=1)
    return folder


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture(scope="session")
def applied(
    drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Applied, dg.DagsterInstance]]:
    """A project over the drawn pool with everything materialized; read only."""
    project = make_project(tmp_path_factory.mktemp("applied"), drawn_pool / "pool" / "*.tar")
    with dg.DagsterInstance.ephemeral() as instance:
        yield project, run_apply(project, instance), instance


@pytest.fixture(scope="session")
def real_pool() -> Path:
    """The real pool with recorded truth; skipped where it is not at hand."""
    folder = SHARED / "data" / "real_pool"
    if not folder.is_dir():
        pytest.skip(f"no real pool at {folder}")
    return folder


@pytest.fixture(scope="session")
def asked(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with composed filters over the drawn pool, its subset `mixed` published once; read only."""
    project = make_project(tmp_path_factory.mktemp("asked"), drawn_pool / "pool" / "*.tar", ASKED)
    with dg.DagsterInstance.ephemeral() as instance:
        run_apply(project, instance)
    publish(project, "mixed")
    return project
