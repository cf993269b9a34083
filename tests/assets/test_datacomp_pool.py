"""A pool of DataComp's metadata from end to end: stated scores and stored features, no pixels, and what a change reaches."""

import os
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from curation_assets.algorithms.vectors import from_binary
from curation_assets.errors import PoolError
from curation_assets.holdings.project import Project, open_project
from curation_assets.recipe import check_recipe
from tests.small_pools import datacomp_columns, datacomp_features, uid_of, write_datacomp
from tests.small_project import run_apply

pytestmark = pytest.mark.slow  # makes lakes

SUBSETS: dict[str, object] = {
    "aligned": {"keep": [{"clip_l14_similarity_score": {"min": 0.25}}]},
    "best": {"keep": [{"clip_l14_similarity_score": {"top_fraction": 0.3}}]},
    "distinct": {"from": "aligned", "keep": [{"semdedup_similarity": {"max": 0.9}}, "image_size"]},
}
SHARDS = ("a", "b")
ROWS = 40
FEATURES = {"image": "l14_img", "text": "l14_txt"}


class NoModel:
    """Stands in for the resource `clip` where no model may be loaded."""

    def load(self) -> object:
        raise AssertionError("a pool with features needs no model")


def project_of(folder: Path, **sections: object) -> Project:
    pool = {"path": "pool/*.parquet", "format": "datacomp", "max_removed_fraction": 1}
    content = {"pool": pool, "encoder": {"features": FEATURES}, "clusters": {"k": 3}, "subsets": SUBSETS, **sections}
    return open_project(check_recipe(content, folder / "curation.yaml"))


def applied(project: Project, instance: dg.DagsterInstance) -> set[str]:
    result = run_apply(project, instance, NoModel())
    assert not result.failed
    return set(result.materialized)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, shard in enumerate(SHARDS):
        write_datacomp(tmp_path / "pool" / f"{shard}.parquet", datacomp_columns(ROWS, seed), datacomp_features(ROWS, seed))
    return tmp_path


def kept(project: Project, subset: str) -> set[tuple[str, int]]:
    rows = project.lake.read(f"subsets/{subset}")
    return set(zip(rows["shard"].to_pylist(), rows["row"].to_pylist(), strict=True))


def stated(name: str) -> dict[tuple[str, int], float]:
    columns = [datacomp_columns(ROWS, seed)[name] for seed in range(len(SHARDS))]
    return {(shard, row): v for shard, values in zip(SHARDS, columns, strict=True) for row, v in enumerate(values)}


def test_everything_is_made_of_what_the_source_states(folder: Path, instance: dg.DagsterInstance) -> None:
    project = project_of(folder)
    applied(project, instance)
    scores = stated("clip_l14_similarity_score")
    assert kept(project, "aligned") == {place for place, score in scores.items() if np.float32(score) >= np.float32(0.25)}
    by_score = sorted(scores, key=lambda place: -np.float32(scores[place]))
    assert kept(project, "best") == set(by_score[: int(0.3 * len(scores))])
    assert kept(project, "distinct") <= kept(project, "aligned")
    encoder = project.lake.read("encoder").to_pylist()[0]
    assert (encoder["encoder_name"], encoder["dimensions"]) == ("stored l14_img and l14_txt", 12)
    for seed, shard in enumerate(SHARDS):
        vectors = from_binary(project.lake.read("embeddings", shard=shard)["image_embedding"], "<f2")
        raw = datacomp_features(ROWS, seed)["l14_img"].astype(np.float64)
        assert np.abs(vectors - raw / np.linalg.norm(raw, axis=1, keepdims=True)).max() < 1e-3
    assert set(project.lake.read("cluster_assignments")["cluster_id"].to_pylist()) == {0, 1, 2}
    pool = project.lake.read("raw_pool")
    assert all(pool[name].null_count == 2 * ROWS for name in ("tar", "offset_bytes", "image_bytes", "format"))
    assert pool["width"].null_count == 0
    assert applied(project, instance) == set()


def test_stored_tables_are_as_declared_and_aligned(folder: Path, instance: dg.DagsterInstance) -> None:
    columns = datacomp_columns(ROWS)
    columns["uid"][3] = columns["uid"][5] = columns["text"][7] = None
    columns["clip_l14_similarity_score"][9] = None
    write_datacomp(folder / "pool" / "a.parquet", columns, datacomp_features(ROWS))
    project = project_of(folder)
    applied(project, instance)
    for node in project.graph.values():
        stored = project.lake.read(node.name)
        for column in node.table.columns:
            assert stored.schema.field(column.name).type == column.type, (node.name, column.name)
            assert column.is_nullable or stored[column.name].null_count == 0, (node.name, column.name)
        records = project.records(node.key)
        for shard in SHARDS if node.key[0] in ("pool_scores", "embeddings", "scores") else ():
            row = project.lake.read("raw_pool", shard=shard)["row"]
            assert project.lake.read(node.name, shard=shard)["row"].equals(row), node.name
            assert records[shard]["uid_digest"] == project.records(("raw_pool",))[shard]["uid_digest"]
    score = project.lake.read("scores/clip_l14_similarity_score", shard="a")
    assert score.filter(pa.compute.is_null(score["clip_l14_similarity_score"])).select(["row", "reason"]).to_pylist() == [
        {"row": 9, "reason": "clip_l14_similarity_score is missing"}
    ]


def made_of_features(shard: str) -> set[str]:
    return {f"{name}[{shard}]" for name in ("raw_pool", "rejected_samples", "pool_scores", "embeddings")}


def test_replaced_features_reach_what_reads_embeddings(folder: Path, instance: dg.DagsterInstance) -> None:
    project = project_of(folder)
    applied(project, instance)
    os.utime(folder / "pool" / "a.npz", ns=(1, 1))
    assert applied(project, instance) == made_of_features("a"), "equal content stops the wave"
    np.savez(folder / "pool" / "a.npz", **datacomp_features(ROWS, 5))
    made = applied(project, instance)
    read = {f"{name}[a]" for name in ("cluster_assignments", "scores/clip_score", "scores/prototype_distance")}
    assert made_of_features("a") | read <= made
    untouched = (
        "scores/caption_",
        "scores/image_size",
        "scores/clip_l14",
        "subsets/aligned",
        "subsets/best",
        "encoder",
        "cuts",
    )
    assert not [name for name in made if name.startswith(untouched)]
    assert not [
        name for name in made if name.endswith("[b]") and not name.startswith(("scores/semdedup", "subsets/d", "decisions/d"))
    ]
    assert applied(project, instance) == set()


def test_replaced_scores_reach_what_filters_by_them(folder: Path, instance: dg.DagsterInstance) -> None:
    project = project_of(folder)
    applied(project, instance)
    columns = {**datacomp_columns(ROWS), "clip_l14_similarity_score": [0.9] * ROWS}
    write_datacomp(folder / "pool" / "a.parquet", columns, None)
    made = applied(project, instance)
    assert {"pool_scores[a]", "scores/clip_l14_similarity_score[a]", "subsets/aligned[a]", "cuts/best/cut_1"} <= made
    assert not [name for name in made if name.startswith(("embeddings", "cluster", "scores/caption", "scores/clip_score"))]
    before = project.records(("pool_scores",))["a"]["data_version"]
    write_datacomp(folder / "pool" / "a.parquet", {**columns, "uid": [uid_of(f"other {row}") for row in range(ROWS)]}, None)
    applied(project, instance)
    assert project.records(("pool_scores",))["a"]["data_version"] != before, "the same scores of other samples"


def test_unreadable_shards_hold_back_no_other(folder: Path, instance: dg.DagsterInstance) -> None:
    np.savez(folder / "pool" / "a.npz", **datacomp_features(ROWS - 1))
    (folder / "pool" / "c.parquet").write_bytes(b"no parquet")
    project = project_of(folder)
    applied(project, instance)
    rejected = {row["shard"]: row for row in project.lake.read("rejected_samples").to_pylist()}
    assert {(shard, row["reason"]) for shard, row in rejected.items()} == {("a", "unreadable_shard"), ("c", "unreadable_shard")}
    assert "l14_img has shape (39, 12), the parquet has 40 rows" in rejected["a"]["detail"]
    assert {shard for shard, _ in kept(project, "aligned")} == {"b"}
    np.savez(folder / "pool" / "a.npz", **datacomp_features(ROWS))
    (folder / "pool" / "c.parquet").unlink()
    assert {"raw_pool[a]", "raw_pool[c]"} <= applied(project, instance)
    assert {shard for shard, _ in kept(project, "aligned")} == {"a", "b"}


def test_features_that_cannot_be_used_are_null_with_a_reason(folder: Path, instance: dg.DagsterInstance) -> None:
    features = datacomp_features(ROWS)
    features["l14_img"][3], features["l14_txt"][3] = 0, np.nan
    features["l14_txt"][4, 2] = np.inf
    np.savez(folder / "pool" / "a.npz", **features)
    (folder / "pool" / "b.npz").unlink()
    project = project_of(folder)
    applied(project, instance)
    rows = project.lake.read("embeddings", shard="a").to_pylist()
    assert {r["row"]: r["reason"] for r in rows if r["image_embedding"] is None or r["text_embedding"] is None} == {
        3: "l14_img is zero",
        4: "l14_txt is not finite",
    }
    assert set(project.lake.read("embeddings", shard="b")["reason"].to_pylist()) == {"the shard has no file of features"}
    score = project.lake.read("scores/clip_score", shard="a").to_pylist()
    assert [r["reason"] for r in score if r["clip_score"] is None] == ["l14_img is zero", "l14_txt is not finite"]
    np.savez(folder / "pool" / "b.npz", **datacomp_features(ROWS, 1))
    assert made_of_features("b") <= applied(project, instance)
    assert project.lake.read("embeddings", shard="b")["reason"].null_count == ROWS


def test_features_under_another_name(folder: Path, instance: dg.DagsterInstance) -> None:
    project = project_of(folder, encoder={"features": {"image": "b32_img", "text": "b32_txt"}})
    result = run_apply(project, instance, NoModel())
    assert "expected two matrices of one width; a.npz has l14_img (40, 12), l14_txt (40, 12), dedup (40, 5)" in str(
        result.failed
    )
    applied(project_of(folder), instance)
    swapped = project_of(folder, encoder={"features": {"image": "l14_txt", "text": "l14_img"}})
    made = applied(swapped, instance)
    assert {"encoder", "embeddings[a]", "embeddings[b]", "centroids"} <= made
    assert not [name for name in made if name.startswith(("raw_pool", "pool_scores", "scores/caption", "subsets/aligned"))]


def test_two_files_of_one_shard_name(folder: Path, instance: dg.DagsterInstance) -> None:
    write_datacomp(folder / "more" / "a.parquet", datacomp_columns(2, 7), None)
    pool = {"path": ["pool/*.parquet", "more/*.parquet"], "format": "datacomp"}
    with pytest.raises(PoolError, match="would both be shard 'a'"):
        run_apply(project_of(folder, pool=pool), instance)
