"""`curate diff` on real tables: one project, edited step by step and published after each, against plain sets of uids."""

import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from curation_assets.audit.diff import Diff, diff
from curation_assets.audit.publish import publish
from curation_assets.audit.versions import find_version, open_version
from curation_assets.cli import app
from curation_assets.demo.pool import generate_pool
from curation_assets.errors import ArgumentError, LakeError
from curation_assets.holdings.project import Project, open_project
from curation_assets.lineage.causes import KINDS
from curation_assets.recipe import check_recipe
from tests.small_project import TinyClip, make_project, run_apply

BASIC = ["english_caption", {"caption_length": {"min_words": 3}}, {"image_size": {"min_side_px": 64}}]
SHORT = [BASIC[0], {"caption_length": {"min_words": 3}}, {"image_size": {"min_side_px": 100}}]
HALF = [{"clip_score": {"top_fraction": 0.5}}]
START: Mapping[str, object] = {
    "basic": {"keep": BASIC},
    "aligned": {"from": "basic", "keep": HALF},
    "odd": {"keep": [{"any": [{"clip_score": {"top_fraction": 0.2}}, {"not": {"image_size": {"min_side_px": 120}}}]}]},
}
ENCODER = "because the encoder changed (encoder: parameter pretrained: tiny_0 -> tiny_1)"
pytestmark = pytest.mark.slow


def recipe_with(**subsets: object) -> dict[str, object]:
    return {**START, **subsets}


@dataclass
class World:
    """The project, what its subsets were after each step, and what the steps are called."""

    folder: Path
    instance: dg.DagsterInstance
    project: Project | None = None
    steps: list[str] = field(default_factory=list)
    uids: list[dict[str, dict[tuple[int, int], str]]] = field(default_factory=list)

    def step(self, name: str, subsets: Mapping[str, object], clip: int = 0) -> None:
        encoder = {"model": "tiny", "pretrained": f"tiny_{clip}"}
        self.project = make_project(self.folder / "project", self.folder / "pool" / "*.tar", subsets, encoder=encoder)
        assert not run_apply(self.project, self.instance, TinyClip(clip)).failed
        rows = {}
        for subset in START:
            publish(self.project, subset, note=name)
            table = self.project.lake.read(f"subsets/{subset}")
            rows[subset] = {(r["uid_hi"], r["uid_lo"]): r["shard"] for r in table.to_pylist()}
        self.steps.append(name)
        self.uids.append(rows)

    def version(self, subset: str, step: str) -> int:
        """Number of the version that was the newest after a step: a subset that stayed as it was is not published anew."""
        at, number = self.steps.index(step), 1
        for before, after in zip(self.uids[:at], self.uids[1 : at + 1], strict=True):
            number += before[subset] != after[subset]
        return number

    def between(self, subset: str, before: str, after: str, limit: int = 10) -> Diff:
        names = [f"{subset}@{self.version(subset, step)}" for step in (before, after)]
        return diff(self.project, *names, limit)

    def rows(self, subset: str, step: str) -> dict[tuple[int, int], str]:
        return self.uids[self.steps.index(step)][subset]


def without_members(tar: Path, keys: set[str]) -> None:
    """The same tar without some samples, so that all rows behind them are numbered anew."""
    copy = tar.with_suffix(".new")
    with tarfile.open(tar) as old, tarfile.open(copy, "w") as new:
        for member in old:
            if member.name.partition(".")[0] not in keys:
                new.addfile(member, old.extractfile(member))
    copy.replace(tar)


@pytest.fixture(scope="module")
def world(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("diffed")
    shutil.copytree(drawn_pool / "pool", folder / "pool")
    generate_pool(folder / "more", shards=1, samples_per_shard=60, seed=9)
    with dg.DagsterInstance.ephemeral() as instance:
        made = World(folder, instance)
        made.step("start", START)
        made.step("threshold", recipe_with(basic={"keep": SHORT}))
        added = [*SHORT, {"prototype_distance": {"top_fraction": 0.6}}]
        made.step("added filter", recipe_with(basic={"keep": added}))
        made.step("removed filter", recipe_with(basic={"keep": SHORT[1:]}))
        made.step("encoder", recipe_with(basic={"keep": SHORT[1:]}), clip=1)
        shutil.copy(folder / "more" / "pool" / "00000.tar", folder / "pool" / "00002.tar")
        made.step("shard added", recipe_with(basic={"keep": SHORT[1:]}), clip=1)
        kept = set(made.project.lake.read("subsets/aligned", shard="00001")["row"].to_pylist())
        pool = made.project.lake.read("raw_pool", shard="00001").to_pylist()
        without_members(folder / "pool" / "00001.tar", {r["key"] for r in [r for r in pool if r["row"] in kept][:2]})
        made.step("tar replaced", recipe_with(basic={"keep": SHORT[1:]}), clip=1)
        (folder / "pool" / "00002.tar").unlink()
        made.step("shard removed", recipe_with(basic={"keep": SHORT[1:]}), clip=1)
        yield made


PAIRS = [("start", "threshold"), ("threshold", "added filter"), ("added filter", "removed filter")]
PAIRS += [("removed filter", "encoder"), ("encoder", "shard added"), ("shard added", "tar replaced")]
PAIRS += [("tar replaced", "shard removed"), ("start", "shard removed"), ("start", "encoder")]


@pytest.mark.parametrize("subset", list(START))
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_rows_are_those_of_plain_sets_and_each_has_one_cause(world: World, subset: str, before: str, after: str) -> None:
    found = world.between(subset, before, after, limit=10_000)
    old, new = world.rows(subset, before), world.rows(subset, after)
    for change, expected in (("added", new.keys() - old.keys()), ("removed", old.keys() - new.keys())):
        uids = [s.uid for s in found.samples if s.change == change]
        assert sorted(uids) == sorted(f"{hi % 2**64:016x}{lo % 2**64:016x}" for hi, lo in expected)
    assert (found.added, found.removed) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()))
    assert {count.cause.kind for count in found.causes} <= set(KINDS) - {"out_of_date"}
    mirrored = world.between(subset, after, before)
    assert sorted((repr(c.cause.mirrored), c.removed, c.added) for c in mirrored.causes) == sorted(
        (repr(c.cause.mirrored.mirrored), c.added, c.removed) for c in found.causes
    )


CAUSES = {
    ("basic", "start", "threshold"): {"parameter: basic.image_size.min_side_px 64 -> 100"},
    ("basic", "threshold", "added filter"): {"filter added: basic.prototype_distance"},
    ("basic", "added filter", "removed filter"): {
        *("filter removed: basic.prototype_distance", "filter removed: basic.english_caption"),
    },
    ("odd", "removed filter", "encoder"): {f"score changed: clip_score, {ENCODER}", f"cut moved: odd.clip_score, {ENCODER}"},
    ("basic", "encoder", "shard added"): {"shard added"},
    ("basic", "shard added", "tar replaced"): {"file changed"},
    ("basic", "tar replaced", "shard removed"): {"shard removed"},
}


@pytest.mark.parametrize(("subset", "before", "after"), list(CAUSES))
def test_causes_of_each_edit(world: World, subset: str, before: str, after: str) -> None:
    found = world.between(subset, before, after)
    assert {count.cause.text for count in found.causes} == CAUSES[subset, before, after]


def test_a_fraction_whose_population_changed_says_so(world: World) -> None:
    found = world.between("aligned", "encoder", "shard added")
    moved = [c for c in found.causes if c.cause.kind == "cut_moved"]
    assert [c.cause.text.split(", ")[0] for c in moved] == ["cut moved: aligned.clip_score"]
    populations = [len(world.rows("basic", step)) for step in ("encoder", "shard added")]
    assert moved[0].cause.detail == f"its population changed: {populations[0]} -> {populations[1]} rows"
    assert moved[0].cause.old != moved[0].cause.new


def test_a_live_subset_and_its_newest_version_are_equal_and_nothing_is_read(world: World) -> None:
    for subset in START:
        found = diff(world.project, f"{subset}@{world.version(subset, 'shard removed')}", subset)
        assert (found.is_equal, found.shards_read, found.samples) == (True, 0, [])
        older = diff(world.project, f"{subset}@1", subset, 10_000)
        assert sorted(s.uid for s in older.samples) == sorted(
            s.uid for s in world.between(subset, "start", "shard removed", 10_000).samples
        )


def test_a_dataset_against_the_one_that_it_narrows_and_against_an_unrelated_one(world: World) -> None:
    found = diff(world.project, "basic", "aligned", 3)
    assert [(c.cause.text, c.added) for c in found.causes] == [("filter added: aligned.clip_score", 0)]
    assert found.removed == len(world.rows("basic", "shard removed")) - len(world.rows("aligned", "shard removed"))
    assert len(found.samples) == 3
    other = diff(world.project, "aligned@1", "odd", 0)
    old, new = world.rows("aligned", "start"), world.rows("odd", "shard removed")
    assert (other.added, other.removed) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()))
    assert "out_of_date" not in {c.cause.kind for c in other.causes}
    assert other.samples == []


def test_json_has_the_documented_keys(world: World) -> None:
    found = json.loads(json.dumps(world.between("aligned", "start", "encoder").as_json(), allow_nan=False))
    keys = ["schema", "from", "to", "equal", "added", "removed", "shards", "shards_read", "causes", "samples"]
    assert list(found) == keys
    assert list(found["from"]) == ["name", "dataset", "version", "rows"]
    fields = ["kind", "subset", "filter", "column", "parameter", "old", "new", "detail", "text", "added", "removed"]
    assert {tuple(cause) for cause in found["causes"]} == {tuple(fields)}
    sample = ("uid", "change", "shard", "row", "caption", "cause", "kind", "column", "from", "to")
    assert {tuple(row) for row in found["samples"]} == {sample}
    documented = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
    assert [key for key in (*keys, *fields, *sample, *KINDS) if f"`{key}`" not in documented] == []
    scores = {r["row"]: r for r in world.project.lake.read("raw_pool", shard="00000").to_pylist()}
    first = next(row for row in found["samples"] if row["shard"] == "00000" and row["change"] == "added")
    assert first["row"] in scores


def test_values_of_a_sample_are_those_of_both_sides(world: World) -> None:
    found = world.between("odd", "removed filter", "encoder", 1_000)
    old, new = (scores(world, "odd", step) for step in ("removed filter", "encoder"))
    assert found.samples
    for sample in found.samples:
        assert (sample.old, sample.new) == (old[sample.shard, sample.row], new[sample.shard, sample.row])


def scores(world: World, subset: str, step: str) -> dict[tuple[str, int], float]:
    version = find_version(world.project, subset, world.version(subset, step))
    stored = open_version(world.project, version).lake.read("scores/clip_score").to_pylist()
    return {(row["shard"], row["row"]): row["clip_score"] for row in stored}


@pytest.mark.parametrize(
    ("a", "b", "limit", "message"),
    [
        ("nothing", "basic", 10, "no subset 'nothing' .* known: basic, odd, aligned"),
        ("basic", "basic@99", 10, "no published version basic@99; known: aligned@1"),
        ("basic@x", "basic", 10, "expected a version's number after @"),
        ("basic", "odd", -1, "--limit -1: expected 0 or more"),
    ],
)
def test_what_cannot_be_compared(world: World, a: str, b: str, limit: int, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        diff(world.project, a, b, limit)


@pytest.mark.parametrize(
    "edit",
    [{"aligned": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.4}}]}}, {"aligned": {"keep": HALF}}],
    ids=["filter", "source"],
)
def test_an_edit_that_is_not_applied_is_no_cause(world: World, edit: dict[str, object]) -> None:
    content = world.project.recipe.file.model_dump(mode="json", by_alias=True)
    content["subsets"] |= edit
    edited = open_project(check_recipe(content, world.project.recipe.path))
    newest = f"aligned@{world.version('aligned', 'shard removed')}"
    assert diff(edited, newest, "aligned").is_equal  # what is stored is the same, whatever the recipe says now
    with pytest.raises(
        LakeError, match=r"subsets/aligned\[0000\d\] was decided by other filters, or from another source, than"
    ):
        diff(edited, "aligned@1", "aligned")


def test_a_subset_that_is_not_stored(world: World, tmp_path: Path) -> None:
    empty = make_project(tmp_path, world.folder / "pool" / "*.tar", START)
    with pytest.raises(LakeError, match="subsets/basic is not stored yet; run curate apply"):
        diff(empty, "basic", "odd")


def test_exit_codes_and_output_of_the_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATION_RECIPE", str(world.project.recipe.path))
    runner = CliRunner()
    same = runner.invoke(app, ["diff", "basic", "basic"])
    assert (same.exit_code, "the same samples" in same.output) == (0, True)
    other = runner.invoke(app, ["diff", "basic@1", "basic", "--limit", "2"])
    assert (other.exit_code, "parameter: basic.image_size.min_side_px 64 -> 100" in other.output) == (1, True)
    as_json = runner.invoke(app, ["diff", "basic@1", "basic", "--json"])
    assert (as_json.exit_code, json.loads(as_json.stdout)["schema"]) == (1, 1)
    wrong = runner.invoke(app, ["diff", "basic", "basic@77"])
    assert isinstance(wrong.exception, ArgumentError)  # main() makes it exit code 2
