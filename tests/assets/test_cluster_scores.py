"""Scores of whole clusters: the same from scratch as bit by bit, and no cluster measured whose rows did not change."""

import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from deltalake import DeltaTable

from curation_assets.assets.apply import Settings
from curation_assets.assets.plan import plan_project
from curation_assets.demo.pool import generate_pool
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import read_state
from curation_assets.scores import all_scores
from curation_assets.scores.semdedup_similarity import semdedup_similarity
from tests.small_project import make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

KEY = ("scores", "semdedup_similarity")
SUBSETS = {"deduplicated": {"keep": [{"semdedup_similarity": {"max": 0.95}}]}}
CLUSTERS = {"k": 5, "samples_per_centroid": 39}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    generate_pool(folder, shards=4, samples_per_shard=30, seed=5)
    return folder / "pool"


@pytest.fixture
def project(drawn: Path, tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    """Three of the four shards, made."""
    shutil.copytree(drawn, tmp_path / "pool")
    (tmp_path / "pool" / "00003.tar").rename(tmp_path / "late.tar")
    made = make_project(tmp_path, "pool/*.tar", SUBSETS, clusters=CLUSTERS, lake="lake")
    assert not run_apply(made, instance).failed
    return made


def rows_made(project: Project) -> dict[str | None, int]:
    return {shard: record["rows_made"] for shard, record in project.records(KEY).items()}


def require_same_as_from_scratch(project: Project, tmp_path: Path) -> None:
    """Another lake with the same centroids, made at once, has the same content."""
    other = tmp_path / "scratch"
    shutil.copytree(tmp_path / "lake" / "centroids", other / "lake" / "centroids")
    shutil.copytree(tmp_path / "pool", other / "pool")
    scratch = make_project(other, "pool/*.tar", SUBSETS, clusters=CLUSTERS, lake="lake")
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run_apply(scratch, instance).failed
    for key in (KEY, ("subsets", "deduplicated")):
        ours, theirs = ({s: r["data_version"] for s, r in p.records(key).items() if r["rows"]} for p in (project, scratch))
        assert {s: v for s, v in ours.items() if s in theirs} == theirs
        assert not ours.keys() - theirs.keys()
    shutil.rmtree(other)


def test_each_cluster_is_measured_as_a_whole(project: Project) -> None:
    """Against the score's own function on the rows of each cluster, gathered the plain way."""
    names = {"raw_pool": ["uid_hi", "uid_lo"], "embeddings": ["image_embedding"]}
    names |= {"cluster_assignments": ["cluster_id", "centroid_similarity"]}
    names |= {"scores/semdedup_similarity": ["semdedup_similarity"]}
    columns = {c: project.lake.read(t, columns=cs)[c].to_pylist() for t, cs in names.items() for c in cs}
    cluster_of = np.array([-1 if c is None else c for c in columns["cluster_id"]])
    assert len(np.unique(cluster_of[cluster_of >= 0])) == 5
    for cluster in np.unique(cluster_of[cluster_of >= 0]):
        rows = np.flatnonzero(cluster_of == cluster)
        vectors = np.stack([np.frombuffer(columns["image_embedding"][i], "<f2").astype(np.float32) for i in rows])
        near, hi, lo = (np.array([columns[c][i] for i in rows]) for c in ("centroid_similarity", "uid_hi", "uid_lo"))
        expected = semdedup_similarity(vectors, -near.astype(np.float64), hi, lo)["semdedup_similarity"]
        assert [columns["semdedup_similarity"][i] for i in rows] == expected.tolist()
    unmeasured = [value for value, c in zip(columns["semdedup_similarity"], cluster_of, strict=True) if c < 0]
    assert set(unmeasured) <= {None}


def test_shards_that_come_go_and_change(project: Project, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    pool = tmp_path / "pool"
    shutil.copy(tmp_path / "late.tar", pool / "00003.tar")
    run_apply(project, instance)
    require_same_as_from_scratch(project, tmp_path)
    (pool / "00001.tar").unlink()
    run_apply(project, instance)
    require_same_as_from_scratch(project, tmp_path)
    shutil.copy(tmp_path / "late.tar", pool / "00000.tar")  # the same samples twice, in two shards
    run_apply(project, instance)
    require_same_as_from_scratch(project, tmp_path)
    assert not plan_project(read_state(project)).due
    assert not run_apply(project, instance).materialized


def test_only_clusters_with_changed_rows_are_measured(project: Project, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    tiny = tmp_path / "tiny"
    generate_pool(tiny, shards=1, samples_per_shard=30, seed=77)
    before = sum(rows_made(project).values())
    shutil.copy(tiny / "pool" / "00000.tar", tmp_path / "pool" / "00009.tar")
    run_apply(project, instance)
    assignments = project.lake.read("cluster_assignments", columns=["shard", "cluster_id"]).drop_null().to_pylist()
    sizes = {c: sum(row["cluster_id"] == c for row in assignments) for c in range(5)}
    new = [row["cluster_id"] for row in assignments if row["shard"] == "00009"]
    assert sum(rows_made(project).values()) == sum(sizes[c] for c in set(new))
    # Of a cluster of n rows, w of them new: w (n - w) pairs of a new and an old row, and those among the new.
    expected = sum(w * (sizes[c] - w) + w * (w - 1) // 2 for c in set(new) for w in [new.count(c)])
    found = sum(record["pairs"] for record in project.records(KEY).values())
    assert abs(found - expected) <= 4, "each of the 4 shards is rounded"
    assert before == sum(sizes.values()) - len(new)


def test_what_comes_out_the_same_is_not_written_again(project: Project, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """A shard without samples changes what every shard was made from, and nothing else."""
    runs = {shard: record["run_id"] for shard, record in project.records(KEY).items()}
    files = project.lake.snapshot("scores/semdedup_similarity").files
    (tmp_path / "pool" / "00008.tar").write_bytes(b"\0" * 1024)
    applied = run_apply(project, instance)
    assert "scores/semdedup_similarity[00008]" in applied.materialized
    assert "scores/semdedup_similarity[00000]" not in applied.materialized
    assert not {f"subsets/deduplicated[{shard}]" for shard in runs} & applied.materialized.keys()
    records = project.records(KEY)
    assert {shard: records[shard]["run_id"] for shard in runs} == runs
    assert all(records[shard]["rows_made"] == 0 for shard in records)
    now = project.lake.snapshot("scores/semdedup_similarity").files
    assert {shard: now[shard] for shard in files} == files
    assert not plan_project(read_state(project)).due


def test_it_is_made_for_those_who_filter_by_it(tmp_path: Path) -> None:
    assert all_scores()["semdedup_similarity"].scope == "cluster"
    assert KEY in make_project(tmp_path / "a", "x.tar", SUBSETS).graph
    assert KEY not in make_project(tmp_path / "b", "x.tar").graph


def test_all_clusters_are_measured_again_when_nobody_knows_where_rows_have_been(
    project: Project, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The former assignments are vacuumed before a shard is replaced: a row may have left any cluster."""
    shutil.copy(tmp_path / "late.tar", tmp_path / "pool" / "00000.tar")
    run_apply(project, instance, settings=Settings(select=["cluster_assignments"]))
    for table in ("cluster_assignments", "embeddings", "raw_pool"):
        DeltaTable(project.lake.uri(table)).vacuum(0, enforce_retention_duration=False, dry_run=False, full=True)
    run_apply(project, instance)
    require_same_as_from_scratch(project, tmp_path)


def test_centroids_of_an_empty_pool_are_fitted_once_there_are_samples(
    drawn: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "00007.tar").write_bytes(b"\0" * 1024)
    made = make_project(tmp_path, "pool/*.tar", SUBSETS, clusters=CLUSTERS, lake="lake")
    assert not run_apply(made, instance).failed
    assert made.records(("centroids",))[None]["rows"] == 0
    shutil.copy(drawn / "00000.tar", tmp_path / "pool" / "00000.tar")
    assert run_apply(made, instance).materialized["centroids"] == ["fitted on no samples"]
    assert not plan_project(read_state(made)).due
