"""What failed is remembered with what it was made from: automation leaves it alone until that changes, a person does not."""

from pathlib import Path

import dagster as dg
import pytest

from curation_assets.assets.apply import Settings
from curation_assets.assets.failures import Failures, read_failures, write_failures
from curation_assets.assets.plan import plan_project
from curation_assets.demo.pool import generate_pool
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import read_state
from resources.delta import Lake
from tests.small_project import make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

UNATTENDED = Settings(retry_failed=False)


def test_failures_come_back_and_nothing_is_written_for_nothing(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path / "lake"))
    assert read_failures(lake) == Failures({})
    write_failures(lake, Failures({}))
    assert not lake.exists("_failures")
    failed = Failures({"embeddings[x]": ("abc", "no memory"), "a": ("d", "line\nbreak, \u00e9")})
    write_failures(lake, failed)
    write_failures(lake, failed)
    assert read_failures(lake) == failed
    assert lake.version("_failures") == 1
    write_failures(lake, Failures({}))
    assert read_failures(lake) == Failures({})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    generate_pool(tmp_path, shards=2, samples_per_shard=4, seed=9)
    return make_project(tmp_path, "pool/*.tar", lake="lake")


def test_the_same_is_not_tried_twice_unattended(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr("curation_assets.assets.encoder._embed", faulty)
        first = run_apply(project, instance, settings=UNATTENDED)
        assert "no memory" in first.failed["embeddings[00000]"]
        assert "no memory" in first.failed["embeddings[00001]"]
        runs = instance.get_runs_count()
        again = run_apply(project, instance, settings=UNATTENDED)
        assert instance.get_runs_count() == runs, "nothing that it is made from has changed"
        assert "no memory" in again.held_back["embeddings[00000]"]
        (project.recipe.folder / "pool" / "00001.tar").write_bytes(b"\0" * 1024)
        changed = run_apply(project, instance, settings=UNATTENDED)
        assert "raw_pool[00001]" in changed.materialized
        assert "embeddings[00000]" not in changed.failed
    plan = plan_project(read_state(project))
    assert {one.name for one in plan.due if plan.failed_before(one)} >= {"embeddings[00000]"}
    assert "embeddings[00000]" in run_apply(project, instance).materialized, "a person asked"
    assert read_failures(project.lake) == Failures({})


def test_a_choice_of_artifacts_forgets_no_failure_of_others(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("curation_assets.assets.encoder._embed", faulty)
    run_apply(project, instance)
    before = read_failures(project.lake)
    chosen = run_apply(project, instance, settings=Settings(select=["scores/caption_length"]))
    assert not chosen.failed
    assert not chosen.held_back
    assert read_failures(project.lake) == before
    assert before.by_partition
