"""What the UI shows of a subset's shard whose rows changed: counts by cause and a few rows, against plain sets of uids."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import dagster as dg
import pytest

from curation_assets.holdings.project import Project
from tests.small_project import TinyClip, make_project, run_apply

SIZE = {"image_size": {"min_side_px": 64}}
HALF = [{"clip_score": {"top_fraction": 0.5}}]
Shown = dict[str, dict[str, dg.MetadataValue]]  # newest metadata of each shard


@dataclass
class World:
    folder: Path
    instance: dg.DagsterInstance
    project: Project | None = None
    uids: dict[str, dict[str, set[tuple[int, int]]]] = field(default_factory=dict)

    def apply(self, basic: list[object], clip: int = 0) -> Mapping[str, Shown]:
        """Change the recipe, apply, and give what each subset's shards show that were made."""
        subsets = {"basic": {"keep": basic}, "aligned": {"from": "basic", "keep": HALF}}
        encoder = {"model": "tiny", "pretrained": f"tiny_{clip}"}
        self.project = make_project(self.folder / "project", self.folder / "pool" / "*.tar", subsets, encoder=encoder)
        ran = run_apply(self.project, self.instance, TinyClip(clip))
        assert not ran.failed
        shown: dict[str, Shown] = {name: {} for name in subsets}
        for name in subsets:
            for record in self.instance.fetch_materializations(dg.AssetKey(["subsets", name]), limit=20).records[::-1]:
                if f"subsets/{name}[{record.partition_key}]" in ran.materialized:
                    shown[name][record.partition_key] = dict(record.asset_materialization.metadata)
        return shown

    def rows(self) -> dict[str, dict[str, set[tuple[int, int]]]]:
        found: dict[str, dict[str, set[tuple[int, int]]]] = {}
        for name in ("basic", "aligned"):
            for row in self.project.lake.read(f"subsets/{name}").to_pylist():
                found.setdefault(name, {}).setdefault(row["shard"], set()).add((row["uid_hi"], row["uid_lo"]))
        return found


@pytest.fixture(scope="module")
def world(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("changes")
    shutil.copytree(drawn_pool / "pool", folder / "pool")
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(folder, instance)


def hexed(uids: set[tuple[int, int]]) -> set[str]:
    return {f"{hi % 2**64:016x}{lo % 2**64:016x}" for hi, lo in uids}


def table(metadata: Mapping[str, dg.MetadataValue], name: str = "changed") -> list[dict[str, object]]:
    return [dict(record.data) for record in metadata[name].records] if name in metadata else []


@pytest.mark.slow
def test_every_changed_shard_shows_its_rows_by_cause(world: World) -> None:
    first = world.apply(["english_caption", SIZE])
    assert [metadata for shards in first.values() for metadata in shards.values() if "changed" in metadata] == []
    before = world.rows()
    edits = [
        ([SIZE, "english_caption"], 0, set()),  # reasons move from one filter to another; no row does
        ([SIZE], 0, {"filter removed: basic.english_caption", "changed in basic", "cut moved: aligned.clip_score, its"}),
        ([{"image_size": {"min_side_px": 130}}], 0, {"parameter: basic.image_size.min_side_px 64 -> 130"}),
        ([{"image_size": {"min_side_px": 100}}, "english_caption"], 0, {"filter added: basic.english_caption"}),
        ([SIZE], 1, {"score changed: clip_score, because the encoder changed", "changed in basic"}),
    ]
    for basic, clip, expected in edits:
        shown = world.apply(basic, clip)
        now = world.rows()
        causes, captions = set(), set()
        for name, shard in product(now, ("00000", "00001")):
            new, old = now[name][shard], before[name][shard]
            rows = table(shown[name].get(shard, {}))
            assert sum(row["added"] for row in rows) == len(new - old), (name, shard, rows)
            assert sum(row["removed"] for row in rows) == len(old - new), (name, shard, rows)
            samples = table(shown[name].get(shard, {}), "changed_samples")
            assert {row["uid"] for row in samples if row["change"] == "added"} <= hexed(new - old)
            assert {row["uid"] for row in samples if row["change"] == "removed"} <= hexed(old - new)
            assert len(samples) == min(10, len(new ^ old))
            assert all(len(row["caption"]) <= 100 for row in samples)
            captions |= {str(row["caption"]) for row in samples}
            causes |= {str(row["cause"]) for row in rows}
        assert {text for text in expected if not any(cause.startswith(text) for cause in causes)} == set()
        assert not [cause for cause in causes if cause.startswith("not explained")]
        assert any(captions) or not causes
        before = now
