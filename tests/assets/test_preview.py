"""Previews against what making the changed recipe really keeps, and the lake as it was."""

import shutil
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path

import dagster as dg
import pytest

from curation_assets.assets.preview import Preview, preview
from curation_assets.errors import ArgumentError, LakeError
from curation_assets.holdings.project import Project, open_project
from curation_assets.holdings.state import read_state
from curation_assets.holdings.status import subset_funnels
from curation_assets.recipe import check_recipe
from curation_assets.recipe_override import ParameterChange
from resources.decode import ImageBytes
from resources.delta import Part
from resources.encoder import Encoded
from tests.small_project import TinyClip, TinyEncoder, make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

# Every chain but the first is edited by one preview only, so that one more materialization answers for all of them.
SUBSETS = {
    "basic": {"keep": ["english_caption", {"caption_length": {}}, {"image_size": {"min_side_px": 64}}]},
    "words": {"keep": ["english_caption", {"caption_length": {}}]},
    "language": {"keep": ["english_caption", {"caption_words": {"max": 22}}]},
    "share": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.3}}]},
    "share_of_pool": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.3, "over": "pool"}}]},
    "share_to_pool": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.7}}]},
    "share_to_threshold": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.3}}]},
    "ties": {"keep": [{"caption_words": {"top_fraction": 0.3}}]},
    "two_ends": {"keep": [{"any": [{"clip_score": {"top_fraction": 0.1}}, {"prototype_distance": {"top_fraction": 0.1}}]}]},
    "odd": {"from": "basic", "keep": [{"not": {"image_size": {"min_side_px": 120}}}]},
    "wide": {"keep": [{"caption_length": {"min_words": 3}}]},
    "narrow": {"from": "wide", "keep": [{"clip_score": {"top_fraction": 0.5}}]},
    "narrowest": {"from": "narrow", "keep": [{"all": [{"prototype_distance": {"top_fraction": 0.5}}, "english_caption"]}]},
    "some": {"keep": [{"clip_score": {"min": -1}}]},
    "none_of_some": {"from": "some", "keep": [{"clip_score": {"top_fraction": 0.5}}]},
}
# What is asked, and the same as an edit of the recipe by hand.
EDITS = [
    ("words", ["caption_length.min_words=18"], {"words": ["english_caption", {"caption_length": {"min_words": 18}}]}),
    (
        "language",
        ["english_caption.min_probability=0.9", "caption_words.max=19"],
        {"language": [{"english_caption": {"min_probability": 0.9}}, {"caption_words": {"max": 19}}]},
    ),
    ("share", ["clip_score.top_fraction=0.55"], {"share": [{"clip_score": {"top_fraction": 0.55}}]}),
    (
        "share_of_pool",
        ["clip_score.top_fraction=0.6"],
        {"share_of_pool": [{"clip_score": {"top_fraction": 0.6, "over": "pool"}}]},
    ),
    (
        "share_to_pool",
        ["clip_score.over=pool"],
        {"share_to_pool": [{"clip_score": {"top_fraction": 0.7, "over": "pool"}}]},
    ),
    (
        "share_to_threshold",
        ["clip_score.top_fraction=null", "clip_score.min=0.02", "clip_score.max=0.5"],
        {"share_to_threshold": [{"clip_score": {"min": 0.02, "max": 0.5}}]},
    ),
    ("ties", ["caption_words.top_fraction=0.5"], {"ties": [{"caption_words": {"top_fraction": 0.5}}]}),
    (
        "two_ends",
        ["clip_score.top_fraction=0.2", "prototype_distance.top_fraction=0.05"],
        {"two_ends": [{"any": [{"clip_score": {"top_fraction": 0.2}}, {"prototype_distance": {"top_fraction": 0.05}}]}]},
    ),
    ("odd", ["image_size.min_side_px=150"], {"odd": [{"not": {"image_size": {"min_side_px": 150}}}]}),
    (
        "narrowest",
        ["wide.caption_length.min_words=18", "prototype_distance.top_fraction=0.7"],
        {
            "wide": [{"caption_length": {"min_words": 18}}],
            "narrowest": [{"all": [{"prototype_distance": {"top_fraction": 0.7}}, "english_caption"]}],
        },
    ),
    ("none_of_some", ["some.clip_score.min=0.999"], {"some": [{"clip_score": {"min": 0.999}}]}),
]
ASKED = [(subset, settings) for subset, settings, _ in EDITS]


def edited() -> dict[str, object]:
    subsets = deepcopy(SUBSETS)
    for _, _, keeps in EDITS:
        for name, keep in keeps.items():
            subsets[name]["keep"] = keep
    return subsets


class Forgetful(TinyEncoder):
    """Leaves some samples without vectors, so that scores have NULLs."""

    def encode(self, images: Sequence[ImageBytes], texts: Sequence[str], log: Callable[[str], None]) -> Encoded:
        encoded = super().encode(images, texts, log)
        forgotten = [len(text) % 7 == 0 for text in texts]
        encoded.errors[:] = ["forgotten" if f else e for f, e in zip(forgotten, encoded.errors, strict=True)]
        return encoded


class ForgetfulClip(TinyClip):
    def load(self) -> Forgetful:
        return Forgetful(0)


@pytest.fixture(scope="module")
def project(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("stored"), drawn_pool / "pool" / "*.tar", SUBSETS)
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run_apply(made, instance, ForgetfulClip()).failed
    assert made.lake.read("scores/clip_score")["clip_score"].null_count > 10
    return made


@pytest.fixture(scope="module")
def changed(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Another lake, in which the edited recipe has been made."""
    folder = tmp_path_factory.mktemp("changed")
    shutil.copytree(project.lake.root, folder / "lake")
    made = make_project(folder, str(project.recipe.file.pool.path), edited())
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run_apply(made, instance, ForgetfulClip()).failed
    return made


def uids(project: Project, subset: str) -> set[tuple[int, int]]:
    rows = project.lake.read(f"subsets/{subset}").to_pydict()
    return set(zip(rows["uid_hi"], rows["uid_lo"], strict=True))


def files(folder: Path | str) -> dict[str, tuple[int, int]]:
    found = {path: path.stat() for path in Path(folder).rglob("*")}
    return {str(path): (status.st_size, status.st_mtime_ns) for path, status in found.items()}


@pytest.mark.parametrize(("subset", "settings"), ASKED, ids=[subset for subset, _ in ASKED])
def test_it_keeps_what_the_changed_recipe_keeps(subset: str, settings: list[str], project: Project, changed: Project) -> None:
    found = preview(project, subset, settings)
    now, then = ({funnel.subset: funnel for funnel in subset_funnels(read_state(made))} for made in (project, changed))
    assert [each.changed for each in found.subsets] == [then[each.changed.subset] for each in found.subsets]
    assert [each.stored for each in found.subsets] == [now[each.changed.subset] for each in found.subsets]
    for each in found.subsets:
        before, after = (uids(made, each.changed.subset) for made in (project, changed))
        assert (each.added, each.removed) == (len(after - before), len(before - after))
    assert any(each.added or each.removed for each in found.subsets), "the edit changes something"
    assert (found.shards, found.unusable, found.out_of_date, found.measured_again) == (2, [], {}, [])


def test_with_the_values_that_were_made_the_very_rows_are_kept(changed: Project) -> None:
    for subset, settings in ASKED:
        found = preview(changed, subset, settings)
        assert found.changes == []
        (only,) = found.subsets
        assert (only.stored, only.added, only.removed) == (only.changed, 0, 0)


def test_it_begins_at_the_first_changed_subset_and_names_what_changed(project: Project) -> None:
    settings = ["prototype_distance.top_fraction=0.2", "narrow.clip_score.top_fraction=0.9"]
    found = preview(project, "narrowest", settings)
    assert [each.changed.subset for each in found.subsets] == ["narrow", "narrowest"]
    assert [each.changed.source for each in found.subsets] == ["wide", "narrow"]
    assert found.subsets[1].changed.rows_in == found.subsets[0].changed.kept
    assert found.changes == [
        ParameterChange("narrow", "clip_score", "top_fraction", 0.5, 0.9),
        ParameterChange("narrowest", "prototype_distance", "top_fraction", 0.5, 0.2),
    ]


def test_nothing_is_written(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = files(project.recipe.folder)
    records = {key: project.records(key) for key in project.graph}
    for subset, settings in ASKED:
        preview(project, subset, settings)
    assert files(project.recipe.folder) == before
    assert {key: project.records(key) for key in project.graph} == records
    assert list(tmp_path.iterdir()) == []


def test_a_subset_that_was_never_made_has_only_a_future(project: Project, tmp_path: Path) -> None:
    subsets = {**SUBSETS, "fresh": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.3}}]}}
    fresh = alike(project, tmp_path, subsets)
    (found,) = preview(fresh, "fresh", ["clip_score.top_fraction=0.55"]).subsets
    (known,) = preview(fresh, "share", ["clip_score.top_fraction=0.55"]).subsets
    assert (found.stored, found.added, found.removed) == (None, None, None)
    assert replace(found.changed, subset="share") == known.changed


def test_edits_that_were_not_applied_are_named(project: Project, tmp_path: Path) -> None:
    subsets = deepcopy(SUBSETS)
    subsets["basic"]["keep"][2] = {"image_size": {"min_side_px": 65}}
    found = preview(alike(project, tmp_path, subsets), "share", ["clip_score.top_fraction=0.55"])
    assert found.out_of_date["subsets/basic"] == 2
    assert not {"raw_pool", "scores/clip_score", "subsets/words"} & set(found.out_of_date)
    assert found.subsets == preview(project, "share", ["clip_score.top_fraction=0.55"]).subsets


def test_scores_of_an_encoder_that_learns_from_a_changed_subset_are_named(project: Project, tmp_path: Path) -> None:
    learning = alike(project, tmp_path, SUBSETS, encoder={"train": "filter_network"}, filter_network={"train_on": "basic"})
    assert preview(learning, "share", ["clip_score.top_fraction=0.55"]).measured_again == []
    found = preview(learning, "share", ["basic.caption_length.min_words=18"])
    assert found.measured_again == ["scores/clip_score"]
    assert found.subsets == preview(project, "share", ["basic.caption_length.min_words=18"]).subsets


def test_a_shard_that_is_new_in_the_pool_has_to_be_made_first(project: Project, tmp_path: Path) -> None:
    pool = Path(str(project.recipe.file.pool.path)).parent
    shutil.copyfile(pool / "00001.tar", tmp_path / "00009.tar")
    grown = alike(project, tmp_path / "project", SUBSETS, pool={"path": [f"{pool}/*.tar", f"{tmp_path}/*.tar"]})
    with pytest.raises(LakeError, match=r"reads raw_pool\[00009\], scores/.* are missing or failed a check; run curate apply"):
        preview(grown, "basic", ["caption_length.min_words=18"])


def altered(project: Project, folder: Path, table: str, **record: object) -> Project:
    """A project over a copy of the lake, where another record stands with a partition."""
    shutil.copytree(project.lake.root, folder / "lake")
    copied = alike(project, folder, SUBSETS, lake=str(folder / "lake"))
    recorded = copied.lake.records(table)["00000"]
    copied.lake.write(table, [Part("00000", copied.lake.read(table, shard="00000"), recorded | record)])
    return copied


@pytest.mark.parametrize("table", ["raw_pool", "scores/clip_score", "subsets/basic"])
def test_a_partition_that_failed_its_check_is_not_read(table: str, project: Project, tmp_path: Path) -> None:
    failed = altered(project, tmp_path, table, failed_checks=["bounds"])
    with pytest.raises(LakeError, match=rf"reads {table}\[00000\], which is missing or failed a check; run curate apply first"):
        preview(failed, "share", ["clip_score.top_fraction=0.55"])


@pytest.mark.parametrize("table", ["scores/clip_score", "subsets/basic"])
def test_a_shard_whose_tables_have_other_rows_is_counted_as_unusable(table: str, project: Project, tmp_path: Path) -> None:
    found = preview(altered(project, tmp_path, table, uid_digest="another"), "share", ["clip_score.top_fraction=1"])
    assert (found.shards, found.unusable) == (1, ["00000"])
    assert found.subsets[0].stored.rows_in == len(project.lake.read("subsets/basic", shard="00001"))
    assert found.subsets[0].changed.rows_in == found.subsets[0].stored.rows_in


def test_unknown_names_list_the_known(project: Project) -> None:
    with pytest.raises(ArgumentError, match=r"no subset 'nope' in .*; known: basic"):
        preview(project, "nope", ["clip_score.min=0"])
    with pytest.raises(ArgumentError, match="has no filter 'nope'; known: clip_score"):
        preview(project, "share", ["nope.min=0"])


def test_it_is_plain_values_for_json(project: Project) -> None:
    found = asdict(preview(project, "share", ["clip_score.top_fraction=0.55"]))
    assert found["changes"] == [
        {"subset": "share", "filter": "clip_score", "parameter": "top_fraction", "old": 0.3, "new": 0.55}
    ]
    assert list(found) == list(Preview.__dataclass_fields__)


def alike(project: Project, folder: Path, subsets: dict[str, object], **sections: object) -> Project:
    """A project with another recipe over the same lake."""
    sections = {"pool": {"path": str(project.recipe.file.pool.path)}, **sections}
    content = project.recipe.file.model_dump(by_alias=True, exclude_unset=True) | sections
    return open_project(check_recipe(content | {"subsets": subsets}, folder / "curation.yaml"))
