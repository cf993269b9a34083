"""Scores that compare rows of the whole pool or of a cluster: after any change the same as from scratch, and rows that came
alone are compared with the others by the score's update."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import wraps
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from curation_assets.assets.plan import plan_project
from curation_assets.demo.pool import generate_pool
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import read_state
from curation_assets.scores import all_scores
from tests.small_project import make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

SUBSETS = {
    "pictures": {"keep": [{"phash_distance": {"min": 5}}]},
    "neighbours": {"keep": [{"neighbour_similarity": {"max": 0.95}}]},
    "best_neighbours": {"keep": [{"neighbour_similarity_clip_score": {"max": 0.95}}]},
    "bytes": {"keep": [{"image_copies": {"max": 0}}]},
    "urls": {"keep": [{"url_copies_low_clip_score": {"max": 0}}]},
    "uids": {"keep": [{"uid_copies": {"max": 0}}]},
    "groups": {"keep": [{"duplicate_rank": {"max": 0}}]},
    "semantic": {"keep": [{"semantic_duplicate": {"eps": 0.05, "prefer": "clip_score"}}]},
    "easy": {"keep": [{"semantic_duplicate": {"eps": 0.05, "prefer": "easy"}}]},
}
UPDATED = ("phash_distance", "neighbour_similarity", "duplicate_group", "semdedup_similarity")


@pytest.fixture
def updates() -> Iterator[dict[str, list[int]]]:
    """How many rows were new whenever a score was brought up to date."""
    seen: dict[str, list[int]] = {name: [] for name in UPDATED}
    with pytest.MonkeyPatch.context() as patch:
        for name in UPDATED:
            score = all_scores()[name]

            def recorded(*arguments: object, _update=score.update, _seen=seen[name], **settings: object) -> object:
                _seen.append(int(np.sum(arguments[-1])))
                return _update(*arguments, **settings)

            patch.setitem(all_scores(), name, replace(score, update=wraps(score.update)(recorded)))
        yield seen


def project_of(folder: Path) -> Project:
    return make_project(folder, "pool/*.tar", SUBSETS, clusters={"k": 3, "samples_per_centroid": 39}, lake="lake")


def require_same_as_from_scratch(project: Project, folder: Path) -> None:
    other = folder / "scratch"
    shutil.copytree(folder / "lake" / "centroids", other / "lake" / "centroids")
    shutil.copytree(folder / "pool", other / "pool")
    scratch = project_of(other)
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run_apply(scratch, instance).failed
    for key in (key for key in scratch.graph if key[0] in ("scores", "subsets")):
        ours, theirs = ({s: r["data_version"] for s, r in p.records(key).items() if r["rows"]} for p in (project, scratch))
        assert {s: v for s, v in ours.items() if s in theirs} == theirs, key
        assert not ours.keys() - theirs.keys()
    shutil.rmtree(other)


def test_rows_that_come_go_and_change(tmp_path: Path, instance: dg.DagsterInstance, updates: dict[str, list[int]]) -> None:
    generate_pool(tmp_path, shards=3, samples_per_shard=40, seed=3)
    (tmp_path / "pool" / "00001.tar").rename(tmp_path / "late.tar")
    project = project_of(tmp_path)
    assert run_apply(project, instance).failed == {}
    assert updates == {name: [] for name in UPDATED}, "there is nothing to update the first time"
    shutil.copy(tmp_path / "late.tar", tmp_path / "pool" / "00001.tar")  # a shard between two others: not the youngest
    assert run_apply(project, instance).failed == {}
    come = len(project.lake.read("raw_pool", shard="00001"))
    assert updates["phash_distance"] == updates["duplicate_group"] == [come]
    assert updates["neighbour_similarity"] == [come, come], "once for each preference"
    assert sum(updates["semdedup_similarity"]) == 2 * come
    require_same_as_from_scratch(project, tmp_path)
    shutil.copy(tmp_path / "late.tar", tmp_path / "pool" / "00003.tar")  # every uid of it a second time
    assert run_apply(project, instance).failed == {}
    assert len(updates["phash_distance"]) == 1, "a uid says too little where it stands for two rows"
    require_same_as_from_scratch(project, tmp_path)
    calls = {name: len(rows) for name, rows in updates.items()}
    (tmp_path / "pool" / "00000.tar").unlink()
    assert run_apply(project, instance).failed == {}
    assert {name: len(rows) for name, rows in updates.items()} == calls, "a row that was a twin may be gone"
    require_same_as_from_scratch(project, tmp_path)
    assert not plan_project(read_state(project)).due
    assert run_apply(project, instance).materialized == {}


def test_planted_copies_are_grouped(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    generate_pool(tmp_path, shards=1, samples_per_shard=60, seed=3)
    shutil.copy(tmp_path / "pool" / "00000.tar", tmp_path / "pool" / "00001.tar")
    project = project_of(tmp_path)
    assert run_apply(project, instance).failed == {}
    rows = project.lake.read("subsets/bytes")
    assert set(rows["shard"].to_pylist()) == {"00000"}, "the oldest of two equal pictures is kept"
    assert len(project.lake.read("subsets/uids")) == len(project.lake.read("raw_pool", shard="00000"))
    groups = project.lake.read("scores/duplicate_group")
    assert min(groups["duplicate_group_size"].drop_null().to_pylist()) >= 2
    assert len(project.lake.read("subsets/groups")) <= len(rows)
