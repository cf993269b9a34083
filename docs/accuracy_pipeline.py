"""The whole pipeline over the pool, and what it did to each row beside what is true of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from curation_assets.assets.apply import Settings, apply
from curation_assets.assets.build import build_definitions
from curation_assets.holdings.project import open_project
from curation_assets.holdings.state import State, read_state
from curation_assets.recipe import load_recipe

RADII = range(11)
RADIUS = 4  # at which the page's goal is met
_KEEP: dict[str, object] = {
    "english_caption": "english_caption",
    "caption_length": "caption_length",
    "image_size": "image_size",
    "image_copies": {"image_copies": {"max": 0}},
    "duplicate_rank": {"duplicate_rank": {"max": 0}},
    "url_copies": {"url_copies": {"max": 0}},
    "blocked_words_own": {"blocked_words_own": {"max": 0}},
    "blocked_words_english": {"blocked_words_english": {"max": 0}},
    **{f"phash_distance_{radius}": {"phash_distance": {"min": radius + 1}} for radius in RADII},
}
_BASIC = ["english_caption", "caption_length", "image_size"]
_ENCODER_KEEP: dict[str, object] = {
    "clip_score": {"clip_score": {"top_fraction": 0.9}},
    "decontaminated": {"decontaminated": {"target": "evaluation"}},
}


@dataclass(frozen=True)
class Curated:
    """What the pipeline made of the pool.

    Args:
        truth: one dict per sample, by (shard, row).
        accepted: rows of raw_pool, in their order.
        rejected: reason by (shard, row).
        state: the lake, for what else is asked.
    """

    truth: dict[tuple[str, int], dict]
    accepted: list[tuple[str, int]]
    rejected: dict[tuple[str, int], str]
    state: State

    @property
    def rows(self) -> list[dict]:
        """The truth of the accepted rows."""
        return [self.truth[row] for row in self.accepted]

    def column(self, table: tuple[str, ...], name: str) -> list:
        """A stored column in the order of `accepted`."""
        stored = self.state.read(table, ["shard", "row", name])
        values = dict(zip(_places(stored), stored[name].to_pylist(), strict=True))
        return [values[row] for row in self.accepted]

    def dropped(self, subset: str) -> np.ndarray:
        """Whether each accepted row is dropped by the subset, bool of shape (n,)."""
        return ~np.array(self.column(("decisions", subset), "is_kept"), bool)


def curate(pool: Path, folder: Path, *, with_encoder: bool, report: Callable[[str], None]) -> Curated:
    """Run the pipeline in an empty folder.

    Every filter is a subset of its own over the whole pool, so that none hides what another would have dropped.

    Args:
        pool: folder with pool/, ground_truth.parquet, text/ldnoobw and target/.
        folder: takes the recipe and the lake.
        with_encoder: whether a small network is trained on the pool, for the filters that need vectors.
        report: takes lines of progress.

    Raises:
        RuntimeError: something failed.
    """
    recipe = folder / "curation.yaml"
    recipe.write_text(yaml.safe_dump(_recipe(pool.resolve(), with_encoder=with_encoder)))
    project = open_project(load_recipe(recipe))
    subsets = [f"subsets/{name}" for name in project.recipe.file.subsets]
    with dg.DagsterInstance.ephemeral() as instance:
        applied = apply(project, build_definitions(project.recipe), instance, report, Settings(select=subsets))
    if applied.failed or applied.held_back:
        raise RuntimeError(f"the pipeline failed: {applied.failed or applied.held_back}")
    state = read_state(project)
    truth = {(row["shard"].removesuffix(".tar"), row["ordinal"]): row for row in _truth(pool).to_pylist()}
    raw, rejected = (state.read((table,), ["shard", "row", "key", *more]) for table, more in _ROWS)
    for table in (raw, rejected):
        if [truth[place]["key"] for place in _places(table)] != table["key"].to_pylist():
            raise RuntimeError("the truth is of another pool: rows have other keys")
    return Curated(truth, _places(raw), dict(zip(_places(rejected), rejected["reason"].to_pylist(), strict=True)), state)


_ROWS = (("raw_pool", ()), ("rejected_samples", ("reason",)))


def _recipe(pool: Path, *, with_encoder: bool) -> dict[str, object]:
    words = str(pool / "text" / "ldnoobw")
    recipe: dict[str, object] = {
        "lake": "lake",
        "pool": {"path": str(pool / "pool" / "*.tar")},
        "scores": {"blocked_words": {"own": {"words": words}, "english": {"words": words, "language": "en"}}},
        "subsets": {name: {"keep": [entry]} for name, entry in _KEEP.items()},
    }
    if not with_encoder:
        return {**recipe, "encoder": {"model": "none", "pretrained": "none"}}  # nothing that is selected reads it
    return {
        **recipe,
        "encoder": {"train": "filter_network"},
        "filter_network": {"train_on": "basic"},
        "targets": {"evaluation": {"path": str(pool / "target")}},
        "scores": {**recipe["scores"], "target_similarity": {"evaluation": {"target": "evaluation"}}},
        "subsets": {
            **recipe["subsets"],
            "basic": {"keep": _BASIC},
            **{name: {"keep": [entry]} for name, entry in _ENCODER_KEEP.items()},
        },
    }


def _truth(pool: Path) -> pa.Table:
    return pq.read_table(pool / "ground_truth.parquet")


def _places(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["shard"].to_pylist(), table["row"].to_pylist(), strict=True))
