"""Several encoders and several clusterings in one recipe; D4: deduplicate, cluster the survivors, keep the unusual ones."""

from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from curation_assets.algorithms.vectors import from_binary
from curation_assets.holdings.project import Project
from curation_assets.scores.clip_score import clip_score
from tests.changing_lake import write_tar
from tests.small_project import make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

ORDER = [("shard", "ascending"), ("row", "ascending")]
SUBSETS = {
    "aligned_by_both": {"keep": [{"clip_score": {"top_fraction": 0.7}}, {"clip_score_second": {"top_fraction": 0.7}}]},
    "first_likes_more": {"keep": [{"score_difference_of_encoders": {"min": 0.0}}]},
    "distinct": {"keep": [{"semantic_duplicate": {"eps": 0.02}}]},
    "d4": {"from": "distinct", "keep": [{"prototype_distance_survivors": {"top_fraction": 0.5}}]},
    "dense": {"keep": [{"density_pruning": {"instance": "fine"}}]},
    "quota": {"keep": [{"cluster_quota": {"most": 3, "prefer": "fine"}}]},
}
SCORES = {
    "score_difference": {"of_encoders": {"of": "clip_score", "minus": "clip_score_second"}},
    "density_pruning": {"fine": {"clustering": "fine", "keep_fraction": 0.5}},
    "cluster_rank": {"fine": {"clustering": "fine", "prefer": "random"}},
}
CLUSTERINGS = {"survivors": {"k": 4, "fit_on": "distinct", "samples_per_centroid": 39}, "fine": {"k": 3}}


@pytest.fixture(scope="module")
def project(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(
        tmp_path_factory.mktemp("several"),
        drawn_pool / "pool" / "*.tar",
        SUBSETS,
        scores=SCORES,
        encoders={"second": {"model": "tiny", "pretrained": "other"}},
        clusterings=CLUSTERINGS,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        applied = run_apply(made, instance)
        assert (applied.failed, applied.held_back) == ({}, {})
        assert run_apply(made, instance).materialized == {}
    return made


def column(project: Project, table: str, name: str) -> np.ndarray:
    return project.lake.read(table).sort_by(ORDER)[name].to_numpy()


def rows(project: Project, subset: str) -> set[tuple[str, int]]:
    found = project.lake.read(f"subsets/{subset}")
    return set(zip(found["shard"].to_pylist(), found["row"].to_pylist(), strict=True))


def test_each_encoder_has_embeddings_and_scores_of_its_own(project: Project) -> None:
    weights = [project.lake.read(table)["weights_sha256"].to_pylist() for table in ("encoder", "encoder_second")]
    assert weights[0] != weights[1]
    scores = {}
    for label in ("", "_second"):
        vectors = project.lake.read(f"embeddings{label}").sort_by(ORDER)
        image, text = (from_binary(vectors[name].drop_null(), "<f2") for name in ("image_embedding", "text_embedding"))
        scores[label] = column(project, f"scores/clip_score{label}", f"clip_score{label}")
        known = scores[label][~np.isnan(scores[label])]
        assert (known == clip_score(image, text)).all()
    assert (scores[""] != scores["_second"]).any()
    difference = column(project, "scores/score_difference_of_encoders", "score_difference_of_encoders")
    np.testing.assert_array_equal(difference, scores[""].astype(np.float64) - scores["_second"])
    assert len(rows(project, "first_likes_more")) == (difference >= 0).sum() > 0


def test_centroids_are_fitted_on_the_survivors_and_all_samples_have_one(project: Project) -> None:
    record = project.records(("centroids_survivors",))[None]
    assert record["rows_made"] == len(rows(project, "distinct")) < len(project.lake.read("raw_pool"))
    assert project.lake.read("cluster_assignments_survivors")["cluster_id"].null_count == 0
    distance = column(project, "scores/prototype_distance_survivors", "prototype_distance_survivors")
    similarity = column(project, "cluster_assignments_survivors", "centroid_similarity")
    np.testing.assert_array_equal(distance, np.clip(1 - similarity, 0, 2))
    assert len(rows(project, "d4")) == len(rows(project, "distinct")) // 2
    assert rows(project, "d4") < rows(project, "distinct")


def test_a_score_of_whole_clusters_is_by_the_clustering_that_it_names(project: Project) -> None:
    pool = len(project.lake.read("raw_pool"))
    assert len(rows(project, "dense")) == pool // 2
    assert len(rows(project, "quota")) == 3 * 3
    clusters = column(project, "cluster_assignments_fine", "cluster_id")
    rank = column(project, "scores/cluster_rank_fine", "cluster_rank_fine")
    for cluster in np.unique(clusters):
        assert sorted(rank[clusters == cluster]) == list(range((clusters == cluster).sum()))


def test_rows_without_a_cluster_have_no_rank(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """A score of whole clusters that reads nothing but uids could be computed of them, shard by shard, and must not be."""
    (tmp_path / "pool").mkdir()
    write_tar(tmp_path / "pool" / "0.tar", [(7, 5, 0), (8, 0, 1), (9, 6, 2)])  # the second picture cannot be decoded
    project = make_project(tmp_path, "pool/*.tar", {"a": {"keep": ["cluster_quota"]}}, clusters={"k": 1})
    assert run_apply(project, instance).failed == {}
    ranks = project.lake.read("scores/cluster_rank_random").sort_by(ORDER)
    assert ranks["cluster_rank_random"].is_null().to_pylist() == [False, True, False]
    assert "undecodable" in ranks["reason"].to_pylist()[1]
    assert len(rows(project, "a")) == 2


def test_what_was_fitted_on_nothing_is_fitted_once_there_is_something(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    (tmp_path / "pool").mkdir()
    write_tar(tmp_path / "pool" / "0.tar", [(7, 5, 0), (9, 6, 2)])
    strict = {"keep": [{"caption_chars": {"min": 10_000}}]}
    subsets = {"s": strict, "x": {"keep": [{"prototype_distance_of_s": {"max": 2}}]}}
    sections = {"clusterings": {"of_s": {"k": 1, "fit_on": "s"}}, "clusters": {"k": 1}}
    project = make_project(tmp_path, "pool/*.tar", subsets, **sections)
    assert run_apply(project, instance).failed == {}
    assignments = project.lake.read("cluster_assignments_of_s")
    assert assignments["reason"].to_pylist() == ["the clustering has no clusters"] * 2
    repaired = make_project(tmp_path, "pool/*.tar", subsets | {"s": {"keep": ["no_filter"]}}, **sections)
    assert run_apply(repaired, instance).materialized["centroids_of_s"] == ["fitted on no samples"]
    assert repaired.lake.read("cluster_assignments_of_s")["cluster_id"].to_pylist() == [0, 0]
    assert run_apply(repaired, instance).materialized == {}
