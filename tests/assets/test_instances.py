"""Scores with settings, small tables and target sets, through Dagster and real tables, against the functions themselves."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import yaml
from PIL import Image

from curation_assets.algorithms.vectors import from_binary
from curation_assets.holdings.project import Project, open_project
from curation_assets.recipe import load_recipe
from curation_assets.scores.clip_score import clip_score
from curation_assets.scores.random_draw import random_draw
from curation_assets.scores.target_similarity import target_similarity
from curation_assets.summaries.reference_pairs import reference_pairs
from tests.small_project import TinyClip, make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

SUBSETS = {
    "drawn": {"keep": [{"random_draw": {"top_fraction": 0.5}}]},
    "drawn_again": {"keep": [{"random_draw_other": {"top_fraction": 0.5}}]},
    "like_flags": {"keep": [{"target_similarity_flags": {"min": 0.2}}]},
    "not_flags": {"keep": [{"decontaminated": {"max_similarity": 0.2, "target": "flags"}}]},
    "normalised": {"keep": [{"negcliploss": {"top_fraction": 0.3}}]},
    "parity": {"keep": [{"clip_score": {"top_fraction": 0.3, "parity": True}}]},
    "both": {"keep": [{"score_difference_of_two": {"min": 0.0}}]},
    "short": {"keep": ["basic_filter"]},
    "named": {"keep": [{"target_similarity_names": {"top_fraction": 0.2}}]},
}
SCORES = {
    "random_draw": {"other": {"seed": 7}},
    "negcliploss": {"default": {"temperature": 0.05}},
    "score_difference": {"of_two": {"of": "target_similarity_flags", "minus": "clip_score"}},
}


TARGETS = {"flags": {"path": "flags"}, "names": {"path": "names.json", "prompt": "a picture of a {}"}}


def draw_flags(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        stripes = np.random.default_rng(number).integers(0, 256, (3, 1, 3), np.uint8).repeat(8, 0).repeat(24, 1)
        Image.fromarray(stripes).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def world(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, dg.DagsterInstance]]:
    folder = tmp_path_factory.mktemp("instances")
    shutil.copytree(drawn_pool / "pool", folder / "pool")
    draw_flags(folder / "flags", 3)
    (folder / "names.json").write_text('["harbour", "old house"]')
    project = make_project(folder, "pool/*.tar", SUBSETS, scores=SCORES, targets=TARGETS)
    with dg.DagsterInstance.ephemeral() as instance:
        applied = run_apply(project, instance)
        assert (applied.failed, applied.held_back) == ({}, {})
        yield project, instance


def column(project: Project, score: str, name: str) -> np.ndarray:
    return project.lake.read(f"scores/{score}").sort_by([("shard", "ascending"), ("row", "ascending")])[name].to_numpy()


def embeddings(project: Project) -> tuple[np.ndarray, ...]:
    order = [("shard", "ascending"), ("row", "ascending")]
    rows, pool = project.lake.read("embeddings").sort_by(order), project.lake.read("raw_pool").sort_by(order)
    keep = rows["image_embedding"].is_valid()
    vectors = [from_binary(rows[name].filter(keep), "<f2") for name in ("image_embedding", "text_embedding")]
    return (*vectors, *(pool[half].filter(keep).to_numpy() for half in ("uid_hi", "uid_lo")), keep.to_numpy())


def test_labelled_scores_are_the_method_with_those_settings(world: tuple[Project, dg.DagsterInstance]) -> None:
    project, _ = world
    *_, hi, lo, known = embeddings(project)
    assert (column(project, "random_draw", "random_draw")[known] == random_draw(hi, lo)).all()
    assert (column(project, "random_draw_other", "random_draw_other")[known] == random_draw(hi, lo, seed=7)).all()
    kept = {name: len(project.lake.read(f"subsets/{name}")) for name in ("drawn", "drawn_again")}
    assert kept["drawn"] == kept["drawn_again"] == len(project.lake.read("raw_pool")) // 2


def test_target_sets_are_embedded_and_compared_with(world: tuple[Project, dg.DagsterInstance]) -> None:
    project, _ = world
    images, texts, *_, known = embeddings(project)
    flags = project.lake.read("targets/flags")
    assert flags["target_file"].to_pylist() == ["0.png", "1.png", "2.png"]
    found = target_similarity(images, from_binary(flags["target_embedding"], "<f2"))["target_similarity"]
    stored = column(project, "target_similarity_flags", "target_similarity_flags")
    assert (stored[known] == found).all()
    difference = column(project, "score_difference_of_two", "score_difference_of_two")[known]
    assert (difference == found.astype(np.float64) - clip_score(images, texts)).all()
    like, unlike = (len(project.lake.read(f"subsets/{name}")) for name in ("like_flags", "not_flags"))
    assert like == (found >= np.float32(0.2)).sum() > 0
    assert unlike == (found <= np.float32(0.2)).sum() > 0


def test_class_names_are_targets_too(world: tuple[Project, dg.DagsterInstance]) -> None:
    project, _ = world
    images, *_, known = embeddings(project)
    names = project.lake.read("targets/names")
    assert names["target_class"].to_pylist() == ["harbour", "old house"]
    vectors, _ = TinyClip().load().encode_texts(["a picture of a harbour", "a picture of a old house"], print)
    stored = from_binary(names["target_embedding"], "<f2")
    np.testing.assert_array_equal(stored, vectors.astype(np.float16))
    found = column(project, "target_similarity_names", "target_similarity_names")[known]
    np.testing.assert_array_equal(found, target_similarity(images, stored)["target_similarity"])


def test_a_summary_is_the_same_as_of_all_rows_at_once(world: tuple[Project, dg.DagsterInstance]) -> None:
    project, _ = world
    images, texts, hi, lo, _ = embeddings(project)
    expected = reference_pairs(images, texts, hi, lo)
    stored = project.lake.read("summaries/reference_pairs")
    assert stored["uid_hi"].to_pylist() == expected["uid_hi"].tolist()
    assert stored["reference_image"].to_pylist() == expected["reference_image"].tolist()


def test_parity_keeps_one_row_more(world: tuple[Project, dg.DagsterInstance]) -> None:
    project, _ = world
    value = column(project, "clip_score", "clip_score")
    known = np.sort(value[~np.isnan(value)])[::-1]
    threshold = known[int(len(known) * 0.3)]
    assert len(project.lake.read("subsets/parity")) == (known >= threshold).sum() > int(len(known) * 0.3)


def test_a_shorthand_gives_the_reasons_of_its_filters(world: tuple[Project, dg.DagsterInstance]) -> None:
    project, _ = world
    reasons = set(project.lake.read("decisions/short")["filter"].to_pylist())
    assert reasons <= {None, "english_caption", "caption_length", "image_size"}
    assert "image_size" in reasons


def edited(project: Project, **sections: object) -> Project:
    path = project.recipe.path
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))
    return open_project(load_recipe(path))


def test_a_change_reaches_what_reads_it_and_nothing_else(world: tuple[Project, dg.DagsterInstance]) -> None:
    project, instance = world
    assert run_apply(project, instance).materialized == {}
    # Another picture of the target set: its vectors, the scores that read them, and what reads these.
    draw_flags(project.recipe.folder / "flags", 4)
    made = {name.partition("[")[0] for name in run_apply(project, instance).materialized}
    flags = {"targets/flags", "scores/target_similarity_flags", "scores/score_difference_of_two"}
    subsets = {f"{kind}/{name}" for kind in ("subsets", "decisions") for name in ("like_flags", "not_flags", "both")}
    assert flags <= made <= flags | subsets
    # Another seed: that instance alone.
    other = edited(project, scores={**SCORES, "random_draw": {"other": {"seed": 8}}})
    made = {name.partition("[")[0] for name in run_apply(other, instance).materialized}
    assert made == {"scores/random_draw_other", "cuts/drawn_again/cut_1", "subsets/drawn_again", "decisions/drawn_again"}


def test_the_reference_sample_stays_when_the_pool_shrinks(world: tuple[Project, dg.DagsterInstance]) -> None:
    project, instance = world
    before = project.lake.read("summaries/reference_pairs")
    (project.recipe.folder / "pool" / "00001.tar").unlink()
    applied = run_apply(open_project(load_recipe(project.recipe.path)), instance)
    assert applied.failed == {}
    assert not any(name.startswith("summaries/reference_pairs") for name in applied.materialized)
    assert project.lake.read("summaries/reference_pairs").equals(before)
