"""A demo that is killed at any time and run again ends with the same tables as one that was left alone."""

import random
import signal
import time
from pathlib import Path

import dagster as dg
import pytest

from tests.e2e.processes import Project, Running, installed, new_project, started, stored_tables

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DEMO = ("demo", ".", "--shards", "2", "--samples", "90", "--seed", "5")
# Long enough to be hit between two epochs, on few samples.
TRAINING = {"epochs": 4, "width": 64, "heads": 2, "embed_dim": 64, "image_layers": 2, "text_layers": 2, "batch_size": 32}
# The middle of each stage: a line on standard error, or a file below the project's folder.
STAGES: dict[str, str | Path] = {
    "second tar being drawn": Path(".pool-unfinished/pool/00001.tar"),
    "rejected samples written, their raw pool not": Path("lake/rejected_samples/_delta_log/00000000000000000001.json"),
    "one score of three written": "caption_language[00000]:",
    "between two epochs": "epoch 1 of 4",
    "one shard of two embedded": "embeddings[00000]:",
    "decisions written, their subset not": Path("lake/decisions/aligned/_delta_log/00000000000000000001.json"),
    "everything written but the report": "hard_half[00001]:",
}
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[str]]:
    """A finished demo, and the lines that it wrote to standard error."""
    project = new_project(tmp_path_factory.mktemp("undisturbed") / "project", TRAINING)
    done = project.curate(*DEMO)
    assert done.returncode == 0, done.stderr
    return project, done.stderr.splitlines()


def reached(running: Running, project: Project, mark: str | Path) -> bool:
    return running.has_said(mark) if isinstance(mark, str) else (project.folder / mark).exists()


def killed(project: Project, mark: str | Path, what: str) -> None:
    """Start the demo and kill it as soon as a stage's mark is there."""
    with started(installed("curate"), *DEMO, project=project) as running:
        running.wait_until(lambda: reached(running, project, mark), what)
        assert running.kill() == -signal.SIGKILL, running.output


def content(project: Project) -> dict[str, tuple[object, ...]]:
    """What has to be equal: rows of every table, and what each partition's commit says of them."""
    said = ("asset", "data_version", "rows", "uid_digest", "code_version", "parameters", "failed_checks")
    tables = {}
    for name, (rows, records) in stored_tables(project.folder / "lake").items():
        facts = {
            shard: {key: record.get(key) for key in said}
            # The stamp of a tar is its time of writing, which differs between two drawings.
            | {"inputs": {key: value for key, value in record["inputs"].items() if not key.startswith("file:")}}
            for shard, record in records.items()
        }
        tables[name] = (rows.schema, rows, facts)
    return tables


def assert_same(found: Project, expected: Project) -> None:
    """The same tables, tars, truth and weights, and every run of the instance has ended."""
    tables, others = content(found), content(expected)
    assert tables.keys() == others.keys()
    assert len(tables) > 10
    for name, (schema, rows, facts) in tables.items():
        assert schema == others[name][0], name
        assert rows.equals(others[name][1]), name
        assert facts == others[name][2], name
    for pattern in ("pool/*.tar", "truth.parquet", "lake/_models/filter_network/*"):
        files = {path.name: path.read_bytes() for path in found.folder.glob(pattern)}
        assert files == {path.name: path.read_bytes() for path in expected.folder.glob(pattern)}, pattern
        assert files, pattern
    assert (found.folder / "report" / "index.html").is_file()
    assert not (found.folder / ".pool-unfinished").exists()
    assert {status for _, status in runs(found)} <= ENDED, runs(found)


def runs(project: Project) -> list[tuple[str, dg.DagsterRunStatus]]:
    with dg.DagsterInstance.from_config(str(project.folder / ".dagster")) as instance:
        return [(run.run_id, run.status) for run in instance.get_runs()]


def test_killed_once_in_every_stage(undisturbed: tuple[Project, list[str]], tmp_path: Path) -> None:
    project = new_project(tmp_path / "project", TRAINING)
    for what, mark in STAGES.items():
        killed(project, mark, what)
    done = project.curate(*DEMO)
    assert done.returncode == 0, done.stderr
    assert_same(project, undisturbed[0])
    failed = [status for _, status in runs(project) if status is dg.DagsterRunStatus.FAILURE]
    assert 0 < len(failed) <= len(STAGES)


def test_killed_training_goes_on_where_it_was(undisturbed: tuple[Project, list[str]], tmp_path: Path) -> None:
    project = new_project(tmp_path / "project", TRAINING)
    killed(project, "epoch 1 of 4", "the first epoch")
    done = project.curate(*DEMO)
    assert done.returncode == 0, done.stderr
    assert "epoch 4 of 4" in done.stderr
    assert "epoch 1 of 4" not in done.stderr
    assert_same(project, undisturbed[0])


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_at_a_random_time(seed: int, undisturbed: tuple[Project, list[str]], tmp_path: Path) -> None:
    expected, lines = undisturbed
    project, rng = new_project(tmp_path / "project", TRAINING), random.Random(seed)
    count, pause_s = rng.randrange(1, len(lines)), rng.uniform(0, 0.3)
    with started(installed("curate"), *DEMO, project=project) as running:
        running.wait_until(lambda: len(running.err) >= count, f"{count} lines")
        time.sleep(pause_s)
        assert running.kill() == -signal.SIGKILL, running.output
    done = project.curate(*DEMO)
    assert done.returncode == 0, done.stderr
    assert_same(project, expected)
