"""Proof of published versions: sound ones pass wherever they lie, and every tampering is named with its place."""

from pathlib import Path

import pytest

from curation_assets.audit.publish import publish
from curation_assets.audit.verify import verify, version_to_verify
from curation_assets.holdings.project import Project
from tests.audit.published_projects import curated, moved


@pytest.fixture(scope="module")
def published(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with `aligned@1` and `nothing@1`; read only."""
    project = curated(tmp_path_factory.mktemp("published"), drawn_pool)
    for subset in ("aligned", "nothing"):
        publish(project, subset)
    return project


@pytest.mark.parametrize("dataset", ["aligned", "nothing"])
@pytest.mark.parametrize("rebuild", [False, True])
def test_a_sound_version_passes(published: Project, dataset: str, rebuild: bool) -> None:
    found = verify(published, version_to_verify(published, dataset, 1), rebuild)
    assert found.findings == []
    assert found.is_sound
    assert found.rebuilt == (["basic", dataset] if rebuild else [])
    assert (found.not_rebuildable, found.redactions) == ({}, [])
    assert found.rows == {"aligned": 68, "nothing": 0}[dataset]
    assert found.partitions > 10
