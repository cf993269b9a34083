"""The command `curate takedown` as a user types it: what it prints, what it exits with, and runs that hold it back."""

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from curation_assets.assets.apply import Settings
from curation_assets.assets.instance import project_instance
from curation_assets.assets.runs import COMMAND_TAG, LAKE_TAG, runs_alive
from curation_assets.cli import app
from curation_assets.errors import LakeError
from curation_assets.holdings.project import Project
from tests.audit.takedown_project import pool_rows
from tests.small_project import make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

NOTHING = dg.GraphDefinition(name="nothing").to_job()


@pytest.fixture(scope="module")
def origin(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Made with a Dagster home of its own, so that events tell of it; copied, never changed."""
    folder = tmp_path_factory.mktemp("origin")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DAGSTER_HOME", str(folder / "home"))
        made = make_project(folder / "project", drawn_pool / "pool" / "00000.tar", {"all": {"keep": ["english_caption"]}})
        with project_instance(made.recipe.folder) as instance:
            assert not run_apply(made, instance, settings=Settings(select=["subsets/*"])).failed
    return made


@pytest.fixture
def project(origin: Project, drawn_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copytree(origin.recipe.folder.parent / "home", tmp_path / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    copy = make_project(tmp_path / "project", drawn_pool / "pool" / "00000.tar", {"all": {"keep": ["english_caption"]}})
    shutil.copytree(origin.lake.root, copy.lake.root)
    return copy


def curate(project: Project, *arguments: str) -> Result:
    asked = ("--recipe", str(project.recipe.path), "--reason", "asked", "--ticket", "T-1", *arguments)
    return CliRunner().invoke(app, ["takedown", str(project.recipe.folder / "request.txt"), *asked])


def test_a_takedown_from_the_command_line(project: Project, tmp_path: Path):
    victim = pool_rows(project)[2]
    (project.recipe.folder / "request.txt").write_text(victim["uid"])
    dry = curate(project, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "nothing was written" in dry.output
    assert "raw_pool" in dry.output
    assert len(pool_rows(project)) > 80
    done = curate(project, "--json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["takedowns"]
    assert (found["ticket"], found["receipt"], found["hits"], found["is_finished"]) == ("T-1", 1, [], True)
    place = [victim["tar"], victim["offset_bytes"], victim["image_bytes"]]
    assert place in found["places"]
    assert victim["uid"] not in {row["uid"] for row in pool_rows(project)}
    home = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert home
    assert not [path for path in home if victim["text"].encode() in path.read_bytes()]
    again = curate(project)
    assert again.exit_code == 0
    assert "nothing left to remove" in again.output


def test_what_is_still_found_is_exit_code_1(project: Project):
    victim = pool_rows(project)[2]
    (project.recipe.folder / "request.txt").write_text(victim["uid"])
    (Path(project.lake.root) / "notes.txt").write_text(f"{victim['uid']}\n")
    done = curate(project)
    assert done.exit_code == 1
    assert "notes.txt" in done.output
    assert "not finished" in done.output


def test_a_bad_request_is_one_error(project: Project):
    (project.recipe.folder / "request.txt").write_text("what\nelse\n")
    done = curate(project)
    assert done.exit_code != 0
    assert "2 lines that select nothing" in str(done.exception)


def test_runs_that_may_write_hold_it_back(project: Project):
    (project.recipe.folder / "request.txt").write_text("ab" * 16)
    with project_instance(project.recipe.folder) as instance:
        killed, other, alive = (
            instance.create_run_for_job(NOTHING, tags=tags, status=dg.DagsterRunStatus.STARTED)
            for tags in ({COMMAND_TAG: "apply", LAKE_TAG: project.lake.root}, {LAKE_TAG: "elsewhere"}, {})
        )
        # An apply of this lake that did not end was killed, since its lock is ours; another lake's runs do not matter.
        assert runs_alive(instance, project.lake.root) == [alive.run_id]
        states = {run.run_id: instance.get_run_by_id(run.run_id).status for run in (killed, other)}
        assert [states[run.run_id].name for run in (killed, other)] == ["FAILURE", "STARTED"]
    done = curate(project)
    assert isinstance(done.exception, LakeError)
    assert alive.run_id in str(done.exception)


def test_tars_are_rewritten_where_their_owner_asks_for_it(project: Project, drawn_pool: Path, tmp_path: Path):
    """The tar is a copy here, the way the recipe of a project with a pool of its own has it."""
    tar = tmp_path / "own" / "00000.tar"
    tar.parent.mkdir()
    shutil.copy2(drawn_pool / "pool" / "00000.tar", tar)
    own = make_project(tmp_path / "project", tar, {"all": {"keep": ["english_caption"]}})
    with project_instance(own.recipe.folder) as instance:
        assert not run_apply(own, instance, settings=Settings(select=["raw_pool"])).failed
    before, size = pool_rows(own), tar.stat().st_size
    # One that the tar has twice; the second one was never in the pool.
    copies = [row["detail"] for row in own.lake.read("rejected_samples").to_pylist() if row["reason"] == "duplicate_uid"]
    victim = next(row for row in before if row["uid"] in copies[0])
    exact = ("--radius", "-1")  # drawn pictures look alike
    (own.recipe.folder / "request.txt").write_text(victim["uid"])
    assert curate(own, *exact).exit_code == 0
    left = {row["uid"] for row in pool_rows(own)}
    assert victim["uid"] not in left
    assert victim["text"].encode() in tar.read_bytes()
    again = curate(
        own, *exact, "--rewrite-shards", "--json"
    )  # nothing is left to remove from the lake, but from the tar there is
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["rewritten"] == [str(tar)]
    assert tar.stat().st_size < size
    assert victim["text"].encode() not in tar.read_bytes()
    assert victim["uid"].encode() not in tar.read_bytes()
    with project_instance(own.recipe.folder) as instance:
        assert not run_apply(own, instance, settings=Settings(select=["raw_pool"])).failed
    assert {row["uid"] for row in pool_rows(own)} == left
    assert json.loads(curate(own, *exact, "--rewrite-shards", "--json").stdout)["rewritten"] == []


def test_a_pool_that_is_no_tars_is_not_rewritten(project: Project):
    (project.recipe.folder / "request.txt").write_text("0" * 32)
    text = project.recipe.path.read_text().replace("pool:", "pool:\n  format: parquet", 1)
    project.recipe.path.write_text(text)
    refused = curate(project, "--rewrite-shards")
    assert refused.exit_code != 0
    assert "format parquet" in str(refused.exception)
