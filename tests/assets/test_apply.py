"""`curate apply`: everything once, nothing twice, only what a change reaches, and nothing behind a fault."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from curation_assets.assets.apply import Applied, apply
from curation_assets.assets.build import build_definitions
from curation_assets.assets.pictures import histogram
from curation_assets.errors import LakeError, PoolError
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import read_state
from curation_assets.lineage.planning import FAILED_CHECKS
from curation_assets.scores import all_scores
from resources.delta import Part
from tests.small_project import SUBSETS, TinyClip, TinyEncoder, make_project, run_apply

SHARDS = ("00000", "00001")


@pytest.fixture
def pool(drawn_pool: Path, tmp_path: Path) -> Path:
    """The drawn tars in a folder of the test's own."""
    return Path(shutil.copytree(drawn_pool / "pool", tmp_path / "pool"))


def versions(project: Project) -> dict[str, int]:
    return {node.name: project.lake.version(node.name) for node in project.graph.values()}


def sharded(*names: str) -> set[str]:
    return {f"{name}[{shard}]" for name in names for shard in SHARDS}


def test_first_apply_makes_every_partition_once(applied: tuple[Project, Applied, dg.DagsterInstance]) -> None:
    project, result, instance = applied
    expected = {
        name
        for node in project.graph.values()
        for name in ([f"{node.name}[{shard}]" for shard in SHARDS] if node.is_sharded else [node.name])
    }
    assert set(result.materialized) == expected
    assert not result.failed
    assert not result.held_back
    for node in project.graph.values():
        key = dg.AssetKey(node.key)
        wanted = {None: project.records(node.key)[None]} if not node.is_sharded else project.records(node.key)
        for shard, record in wanted.items():
            filters = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[shard] if shard else None)
            events = instance.fetch_materializations(filters, limit=5).records
            assert len(events) == 1, node.name
            assert events[0].event_log_entry.tags["dagster/data_version"] == record["data_version"]
            assert events[0].run_id == record["run_id"]


def test_second_apply_makes_no_run_and_no_commit(pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    project = make_project(tmp_path, pool / "*.tar")
    run_apply(project, instance)
    before, runs = versions(project), instance.get_runs_count()
    again = run_apply(project, instance)
    assert not again.materialized
    assert versions(project) == before
    assert instance.get_runs_count() == runs


def test_threshold_edit_reaches_its_subset_alone(pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    subsets = {**SUBSETS, "other": {"keep": ["english_caption"]}}
    run_apply(make_project(tmp_path, pool / "*.tar", subsets), instance)
    subsets["aligned"] = {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.25}}]}
    edited = run_apply(make_project(tmp_path, pool / "*.tar", subsets), instance)
    assert set(edited.materialized) == {"cuts/aligned/cut_1", *sharded("subsets/aligned", "decisions/aligned")}
    assert edited.materialized["cuts/aligned/cut_1"] == ["parameter fraction: 0.5 -> 0.25"]


@pytest.mark.slow
def test_equal_content_stops_the_wave(pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    project = make_project(tmp_path, pool / "*.tar")
    run_apply(project, instance)
    os.utime(pool / "00001.tar", ns=(1, 1))
    assert set(run_apply(project, instance).materialized) == {"raw_pool[00001]", "rejected_samples[00001]"}


@pytest.mark.slow
def test_another_checkpoint_reaches_what_reads_embeddings(pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    for name in ("first", "renamed", "other"):
        (tmp_path / name).write_text("a checkpoint file; the tiny encoder does not read it")
    first = make_project(tmp_path, pool / "*.tar", encoder={"model": "tiny", "pretrained": "first"})
    run_apply(first, instance, TinyClip(0))
    renamed = make_project(tmp_path, pool / "*.tar", encoder={"model": "tiny", "pretrained": "renamed"})
    assert set(run_apply(renamed, instance, TinyClip(0)).materialized) == {"encoder"}
    other = make_project(tmp_path, pool / "*.tar", encoder={"model": "tiny", "pretrained": "other"})
    made = set(run_apply(other, instance, TinyClip(1)).materialized)
    assert "scores/clip_score[00000]" in made
    assert not made & sharded("raw_pool", "scores/caption_language", "scores/image_size", "subsets/basic")


@pytest.mark.slow
def test_new_shard_is_curated_with_only_its_own_sample_work(pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    late = (pool / "00001.tar").rename(tmp_path / "late.tar")
    project = make_project(tmp_path, pool / "*.tar")
    run_apply(project, instance)
    late.rename(pool / "00001.tar")
    made = set(run_apply(project, instance).materialized)
    own = ("raw_pool", "embeddings", "scores/clip_score", "scores/caption_language", "subsets/basic")
    assert {f"{name}[00001]" for name in own} <= made
    assert not {f"{name}[00000]" for name in own} & made


@pytest.mark.slow
def test_order_of_shards_does_not_change_a_byte(
    pool: Path, tmp_path: Path, applied: tuple[Project, Applied, dg.DagsterInstance]
) -> None:
    """One shard first and the other later gives the data versions of both at once."""
    late = (pool / "00000.tar").rename(tmp_path / "late.tar")
    project = make_project(tmp_path, pool / "*.tar", clusters={"policy": "always"})
    with dg.DagsterInstance.ephemeral() as instance:
        run_apply(project, instance)
        late.rename(pool / "00000.tar")
        run_apply(project, instance)
    reference = applied[0]
    for node in project.graph.values():
        if node.key[0] in ("raw_pool", "encoder"):  # name the tar's folder, or the encoder's path
            continue
        ours, theirs = project.records(node.key), reference.records(node.key)
        assert {p: r["data_version"] for p, r in ours.items()} == {p: r["data_version"] for p, r in theirs.items()}, node.name


@pytest.mark.slow
def test_unreadable_shard_counts_as_empty_and_holds_back_no_other(
    pool: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    (pool / "00002.tar").mkdir()
    project = make_project(tmp_path, pool / "*.tar")
    result = run_apply(project, instance)
    assert not result.failed
    assert not result.held_back
    (rejected,) = project.lake.read("rejected_samples", shard="00002").to_pylist()
    assert (rejected["reason"], rejected["detail"]) == ("unreadable_shard", "Is a directory")
    (evaluation,) = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("raw_pool"), "readable"), limit=1
    )
    assert evaluation.event.dagster_event.asset_check_evaluation_data.passed is False
    assert "subsets/aligned[00001]" in result.materialized
    (pool / "00002.tar").rmdir()
    shutil.copy(pool / "00001.tar", pool / "00002.tar")
    run_apply(project, instance)
    assert len(project.lake.read("raw_pool", shard="00002")) == len(project.lake.read("raw_pool", shard="00001"))


@pytest.mark.slow
def test_failed_blocking_check_stops_its_readers_until_it_is_mended(
    pool: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    project = make_project(tmp_path, pool / "*.tar")
    run_apply(project, instance)
    rows = project.lake.read("raw_pool", shard="00000")
    record = {**project.records(("raw_pool",))["00000"], FAILED_CHECKS: ["accounting"]}
    project.lake.write("raw_pool", [Part("00000", rows, record)])
    result = run_apply(project, instance)
    assert result.failed["raw_pool[00000]"] == "failed blocking checks: accounting"
    assert result.held_back["scores/image_size[00000]"] == "waits for raw_pool[00000]"
    assert not result.materialized
    os.utime(pool / "00000.tar", ns=(1, 1))
    assert not run_apply(project, instance).failed


def test_a_second_apply_at_the_same_time_is_refused(pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    project = make_project(tmp_path, pool / "*.tar")
    with project.lake.lock("apply"), pytest.raises(LakeError, match="another process holds the lock 'apply'"):
        run_apply(project, instance)


def test_a_pool_without_files_says_so(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    with pytest.raises(PoolError, match=r"matches no file"):
        run_apply(make_project(tmp_path, tmp_path / "nothing" / "*.tar"), instance)


@pytest.mark.slow
def test_runs_of_a_killed_apply_are_marked_as_failed_but_not_those_of_another_lake(
    pool: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    project = make_project(tmp_path, pool / "*.tar")
    definitions = build_definitions(project.recipe, {"clip": TinyClip()})
    job = definitions.resolve_implicit_global_asset_job_def()
    ours, theirs = (
        instance.create_run_for_job(
            job_def=job, tags={"curation/command": "apply", "curation/lake": lake}, status=dg.DagsterRunStatus.STARTED
        )
        for lake in (project.lake.root, "/another/lake")
    )
    apply(project, definitions, instance, lambda line: None)
    assert instance.get_run_by_id(ours.run_id).status == dg.DagsterRunStatus.FAILURE
    assert instance.get_run_by_id(theirs.run_id).status == dg.DagsterRunStatus.STARTED


@pytest.mark.slow
def test_a_step_that_fails_after_computing_has_stored_nothing(
    pool: Path, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures and checks come before the commit: a fault there must not leave rows that look up to date."""
    project = make_project(tmp_path, pool / "*.tar")

    def faulty(*_: object) -> dg.AssetCheckResult:
        raise RuntimeError("a check that breaks")

    with monkeypatch.context() as patch:
        patch.setattr("curation_assets.assets.scores.bounds", faulty)
        broken = run_apply(project, instance)
    assert "a check that breaks" in broken.failed["scores/image_size[00000]"]
    assert not any(name.startswith("scores/") for name in broken.materialized)
    assert "subsets/basic[00000]" in broken.held_back
    assert not project.lake.exists("scores/image_size")
    assert not run_apply(project, instance).failed


@pytest.mark.slow
def test_values_out_of_bounds_stop_their_readers_at_every_later_apply(
    pool: Path, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path, pool / "*.tar")
    score = all_scores()["caption_length"]
    narrow = tuple(replace(column, bounds=(0, 1)) for column in score.columns)
    with monkeypatch.context() as patch:
        patch.setitem(all_scores(), "caption_length", replace(score, columns=narrow))
        first = run_apply(project, instance)
    for result in (first, run_apply(project, instance)):
        assert "scores/caption_length[00000]" in result.failed
        assert result.held_back["subsets/basic[00000]"] == "waits for scores/caption_length[00000]"


@pytest.mark.slow
def test_state_names_the_reason(pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    run_apply(make_project(tmp_path, pool / "*.tar"), instance)
    project = make_project(tmp_path, pool / "*.tar", clusters={"seed": 7})
    assert read_state(project).out_of_date(project.graph[("centroids",)]) == {None: ["parameter seed: 0 -> 7"]}


@pytest.mark.slow
def test_other_weights_under_the_same_name_are_noticed(pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """Within one process, which keeps the encoder that it has loaded."""

    class FromFile(TinyClip):
        def __repr__(self) -> str:
            return "FromFile()"

        def load(self) -> TinyEncoder:
            return TinyEncoder(int((tmp_path / "weights").read_text()))

    (tmp_path / "weights").write_text("1")
    project = make_project(tmp_path, pool / "*.tar", encoder={"model": "tiny", "pretrained": "weights"})
    run_apply(project, instance, FromFile())
    before = project.records(("embeddings",))["00000"]["data_version"]
    (tmp_path / "weights").write_text("22")
    assert "encoder" in run_apply(project, instance, FromFile()).materialized
    assert project.records(("embeddings",))["00000"]["data_version"] != before


@pytest.mark.parametrize(
    "values", [[0.3, np.nextafter(np.float32(0.3), 1)], [7.0] * 5, [], [np.inf, np.nan], [-1e30, 1e30], [7e18], [7e18, 7e18]]
)
def test_a_histogram_is_drawn_of_any_numbers(values: list[float]) -> None:
    assert histogram(np.array(values, np.float32)).size == (480, 160)
