"""`curate diff` on real tables: one project, edited step by step and published after each, against plain sets of uids."""

import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from curation_assets.audit.diff import Diff, diff
from curation_assets.audit.publish import publish
from curation_assets.demo.pool import generate_pool
from curation_assets.holdings.project import Project
from curation_assets.lineage.causes import KINDS
from tests.small_project import TinyClip, make_project, run_apply

BASIC = ["english_caption", {"caption_length": {"min_words": 3}}, {"image_size": {"min_side_px": 64}}]
SHORT = [BASIC[0], {"caption_length": {"min_words": 8}}, BASIC[2]]
HALF = [{"clip_score": {"top_fraction": 0.5}}]
START: Mapping[str, object] = {
    "basic": {"keep": BASIC},
    "aligned": {"from": "basic", "keep": HALF},
    "odd": {"keep": [{"any": [{"clip_score": {"top_fraction": 0.2}}, {"not": {"image_size": {"min_side_px": 120}}}]}]},
}
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


def test_show(world):
    for subset in START:
        for pair in PAIRS:
            found = world.between(subset, *pair)
            print(subset, pair, found.shards_read, found.shards)
            for c in found.causes:
                print("    ", c.cause.text, c.added, c.removed)
            for s in found.samples[:3]:
                print("         ", s.change, s.cause.kind, s.old, s.new)
