"""`--jobs`: worker processes make the same as one process, and one that dies takes only its own partitions with it."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import dagster as dg
import pytest

from curation_assets.assets.apply import Settings
from curation_assets.assets.build import build_definitions
from curation_assets.demo.pool import generate_pool
from curation_assets.errors import ArgumentError
from curation_assets.recipe import Recipe
from tests.small_project import TinyClip, TinyEncoder, make_project, run_apply, tiny_definitions

pytestmark = pytest.mark.slow
DEAF = "CURATION_TEST_DEAF"  # folder with a file for each worker that hears no signal


class DeadlyClip(TinyClip):
    """Its process is killed while it embeds, as the kernel does when memory runs out."""

    def load(self) -> TinyEncoder:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def deadly_definitions(recipe: Recipe) -> dg.Definitions:
    return build_definitions(recipe, {"clip": DeadlyClip()})


class DeafClip(DeadlyClip):
    """Dies when there is another worker, and that hears no signal any more."""

    def load(self) -> TinyEncoder:
        ended = time.monotonic() + 60
        while len(list(Path(os.environ[DEAF]).glob("deaf-*"))) < 2 and time.monotonic() < ended:
            time.sleep(0.05)
        return super().load()


def deaf_definitions(recipe: Recipe) -> dg.Definitions:
    """Workers that no signal ends but SIGKILL, as is one while Dagster runs a step; Dagster restores SIGINT's for both."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    Path(os.environ[DEAF], f"deaf-{os.getpid()}").touch()
    return build_definitions(recipe, {"clip": DeafClip()})


def pool_of(folder: Path, shards: int) -> Path:
    generate_pool(folder, shards=shards, samples_per_shard=4, seed=3)
    return folder / "pool" / "*.tar"


def test_many_processes_make_the_same_data_versions_as_one(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    tars = pool_of(tmp_path, 5)
    one, many = (make_project(tmp_path / name, tars) for name in ("one", "many"))
    run_apply(one, instance)
    with dg.instance_for_test(temp_dir=str(tmp_path)) as stored:
        result = run_apply(many, stored, settings=Settings(jobs=2, definitions_of=tiny_definitions))
        assert not result.failed
        assert not result.held_back
        pids = {run.tags.get("curation/command") for run in stored.get_runs()}
        assert pids == {"apply"}
        again = run_apply(many, stored, settings=Settings(jobs=2, definitions_of=tiny_definitions))
        assert not again.materialized
    for node in one.graph.values():
        ours, theirs = ({part: r["data_version"] for part, r in p.records(node.key).items()} for p in (many, one))
        assert ours == theirs, node.name


def test_a_worker_that_dies_fails_its_partitions_and_the_next_apply_goes_on(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", pool_of(tmp_path, 3))
    with dg.instance_for_test(temp_dir=str(tmp_path)) as stored:
        broken = run_apply(project, stored, settings=Settings(jobs=2, definitions_of=deadly_definitions))
        assert "a worker process died" in broken.failed["encoder"]
        assert "raw_pool[00000]" in broken.materialized
        assert "embeddings[00000]" in broken.held_back
        assert not run_apply(project, stored, settings=Settings(jobs=2, definitions_of=tiny_definitions)).failed


def test_workers_that_hear_no_signal_end_with_one_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEAF, str(tmp_path))
    before = set(multiprocessing.active_children())
    project = make_project(tmp_path / "project", pool_of(tmp_path, 3))
    with dg.instance_for_test(temp_dir=str(tmp_path)) as stored:
        broken = run_apply(project, stored, settings=Settings(jobs=2, definitions_of=deaf_definitions))
        assert "a worker process died" in broken.failed["encoder"]
        assert set(multiprocessing.active_children()) == before
        assert not [run for run in stored.get_runs() if not run.is_finished]


def test_an_instance_in_memory_cannot_be_shared(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    project = make_project(tmp_path / "project", pool_of(tmp_path, 1))
    with pytest.raises(ArgumentError, match="needs a Dagster instance on disk"):
        run_apply(project, instance, settings=Settings(jobs=2, definitions_of=tiny_definitions))
