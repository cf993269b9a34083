"""One partition being made: what it may read, and what it records."""

import os
import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from curation_assets.assets.apply import Applied
from curation_assets.assets.step import Step
from curation_assets.errors import LakeError, PoolError
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import read_state
from curation_assets.lineage.planning import FAILED_CHECKS
from resources.delta import Part
from tests.small_project import make_project, run_apply

Curated = tuple[Project, Applied, dg.DagsterInstance]
SCORE = ("scores", "caption_length")
POOL = ("raw_pool",)


@pytest.fixture
def project(applied: Curated, tmp_path: Path) -> Project:
    """A copy of the finished project that the test may damage."""
    shutil.copytree(applied[0].lake.root, tmp_path / "lake")
    return make_project(tmp_path, Path(applied[0].recipe.file.pool.path))


def damaged(project: Project, key: tuple[str, ...], table: pa.Table, **changes: object) -> None:
    record = {**project.records(key)["00000"], **changes}
    project.lake.write(project.graph[key].name, [Part("00000", table, record)])


def test_the_record_says_what_was_read(project: Project) -> None:
    state = read_state(project)
    step = Step(state, SCORE, "00001", "run-1")
    columns = ("row", "caption_words", "caption_chars", "reason")
    draft = step.draft(SCORE, {name: project.lake.read("scores/caption_length", shard="00001")[name] for name in columns})
    assert project.records(SCORE)["00001"]["run_id"] != "run-1", "a draft is not stored"
    record = draft.record
    assert record["run_id"] == "run-1"
    assert record["data_version"] == project.records(SCORE)["00001"]["data_version"]
    assert record["inputs"] == {"raw_pool[00001]": project.records(POOL)["00001"]["data_version"]}
    assert record["code_version"] == "1"
    assert record["rows"] == draft.rows
    assert record["uid_digest"] == project.records(POOL)["00001"]["uid_digest"]


def test_what_is_read_is_what_was_there_when_the_fingerprint_was_taken(project: Project) -> None:
    step = Step(read_state(project), SCORE, "00000", "run")
    before = project.lake.read("raw_pool", shard="00000")
    damaged(project, POOL, before.slice(1), rows=len(before) - 1, data_version="other")
    assert step.read(POOL).equals(before)
    assert Step(read_state(project), SCORE, "00000", "run").fingerprint != step.fingerprint


def test_pictures_of_another_tar_are_not_embedded(project: Project, drawn_pool: Path) -> None:
    step = Step(read_state(project), ("embeddings",), "00000", "run")
    step.require_unchanged_tar()
    tar = drawn_pool / "pool" / "00000.tar"
    stamp = tar.stat()
    os.utime(tar, ns=(1, 1))
    try:
        with pytest.raises(LakeError, match=r"has changed since raw_pool\[00000\] was read from it"):
            step.require_unchanged_tar()
    finally:
        os.utime(tar, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def test_the_same_rows_of_other_samples_are_another_content(project: Project) -> None:
    """Tables are joined by position, so what is aligned with other uids is not the same data."""
    rows = project.lake.read("scores/caption_length", shard="00000").drop_columns(["shard"])
    columns = {name: rows[name] for name in rows.column_names}
    first = Step(read_state(project), SCORE, "00000", "run").draft(SCORE, columns)
    damaged(project, POOL, project.lake.read("raw_pool", shard="00000"), uid_digest="another")
    second = Step(read_state(project), SCORE, "00000", "run").draft(SCORE, columns)
    assert first.record["data_version"] != second.record["data_version"]


def test_rows_numbered_by_another_pool_are_not_joined(project: Project) -> None:
    """raw_pool was replaced by other samples, the score has not followed yet."""
    rows = project.lake.read("raw_pool", shard="00000").slice(1)
    damaged(project, POOL, rows, uid_digest="another", rows=len(rows))
    with pytest.raises(LakeError, match=r"scores/clip_score\[00000\] is not aligned with raw_pool\[00000\]"):
        Step(read_state(project), ("subsets", "aligned"), "00000", "run").read(("scores", "clip_score"))


def test_rows_that_vanished_without_a_commit_of_ours_are_noticed(project: Project) -> None:
    damaged(project, SCORE, project.lake.read("scores/caption_length", shard="00000").slice(3))
    with pytest.raises(LakeError, match=r"scores/caption_length\[00000\] has \d+ rows, its commit recorded \d+"):
        Step(read_state(project), ("subsets", "basic"), "00000", "run").read(SCORE)


def test_an_input_that_failed_its_check_is_not_read(project: Project) -> None:
    damaged(project, POOL, project.lake.read("raw_pool", shard="00000"), **{FAILED_CHECKS: ["accounting"]})
    with pytest.raises(LakeError, match=r"reads raw_pool\[00000\], which has not been materialized or failed"):
        Step(read_state(project), SCORE, "00000", "run")
    Step(read_state(project), SCORE, "00001", "run")


def test_a_shard_that_is_not_in_the_pool_is_refused(project: Project) -> None:
    with pytest.raises(LakeError, match=r"pool.path matches no such shard; known: \['00000', '00001'\]"):
        Step(read_state(project), POOL, "00007", "run")


def test_a_pool_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="matches no file"):
        read_state(make_project(tmp_path, tmp_path / "*.tar"))


def test_nan_is_stored_as_null(project: Project) -> None:
    key = ("scores", "prototype_distance")
    rows = project.lake.read("scores/prototype_distance", shard="00000")
    values = np.full(len(rows), np.nan, np.float32)
    step = Step(read_state(project), key, "00000", "run")
    draft = step.draft(key, {"row": rows["row"], "prototype_distance": values, "reason": rows["reason"]})
    assert draft.table["prototype_distance"].null_count == len(rows)


def test_a_moved_project_is_still_up_to_date(drawn_pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """Paths below the recipe's folder are stored relative to it."""
    shutil.copytree(drawn_pool / "pool", tmp_path / "here" / "pool")
    here = make_project(tmp_path / "here", "pool/*.tar", lake="lake")
    run_apply(here, instance)
    (tmp_path / "here").rename(tmp_path / "there")
    there = make_project(tmp_path / "there", "pool/*.tar", lake="lake")
    assert not run_apply(there, instance).materialized
