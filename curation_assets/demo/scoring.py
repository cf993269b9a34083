"""How many planted defects each filter catches: precision and recall against the truth that the pipeline never reads."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.decisions import label
from curation_assets.holdings.state import State
from curation_assets.keep import AllOf, Keep, columns_of
from curation_assets.recipe import SubsetPlan

# Defects that make a sample unusable, whatever the recipe says.
UNUSABLE = (
    "truncated_image",
    "non_image_bytes",
    "zero_byte_image",
    "bomb_header",
    "missing_caption",
    "invalid_utf8_caption",
    "malformed_json",
    "duplicate_uid",
)
# What a filter is there to catch, by the score column that it looks at. NULL is not judged: text that is in no language
# (zxx, such as a file name) is neither English nor foreign.
_TARGETS: dict[str, tuple[str, Callable[[pa.Table], pa.ChunkedArray]]] = {
    "caption_language": (
        "captions in other languages",
        lambda truth: pc.if_else(pc.equal(truth["language"], "zxx"), None, pc.not_equal(truth["language"], "en")),
    ),
    "caption_words": ("too_short_caption", lambda truth: pc.equal(truth["defect"], "too_short_caption")),
    "min_side_px": (
        "tiny_image, extreme_aspect",
        lambda truth: pc.is_in(truth["defect"], pa.array(["tiny_image", "extreme_aspect"])),
    ),
    "clip_score": ("captions of another picture", lambda truth: pc.invert(truth["is_matching"])),
}


@dataclass(frozen=True)
class Caught:
    """One filter against the truth: `planted` samples reached it that it should drop, `dropped` it did, `caught` are both."""

    filter: str
    planted_as: str
    planted: int
    dropped: int
    caught: int

    @property
    def precision(self) -> float | None:
        """Share of the dropped samples that should be; None when none is dropped."""
        return self.caught / self.dropped if self.dropped else None

    @property
    def recall(self) -> float | None:
        """Share of the planted samples that are dropped; None when none is planted."""
        return self.caught / self.planted if self.planted else None


def score_filters(state: State, truth: pa.Table) -> list[Caught]:
    """Ingest, and every filter of the recipe that has a planted defect to catch.

    A filter is judged on the rows that reach it: those of its subset's source that no earlier filter of the subset dropped.

    Args:
        state: a lake that is up to date.
        truth: truth.parquet of the demo pool.
    """
    caught = [_ingest(state, truth)]
    for plan in state.project.recipe.subsets:
        caught += _subset(state, plan, truth)
    return caught


def _ingest(state: State, truth: pa.Table) -> Caught:
    rejected = state.read(("rejected_samples",), ["shard", "row"])
    is_dropped = np.isin(_keys(truth), _keys(rejected))
    is_unusable = pc.is_in(truth["defect"], pa.array(UNUSABLE)).to_numpy()
    return _counted("ingest", "unusable samples", is_unusable, is_dropped)


def _subset(state: State, plan: SubsetPlan, truth: pa.Table) -> list[Caught]:
    ledger = state.read(("decisions", plan.name), ["shard", "row", "filter"])
    order = np.argsort(_keys(truth))
    rows = truth.take(pa.array(order[np.searchsorted(_keys(truth)[order], _keys(ledger))]))
    dropped_by = ledger["filter"].to_numpy()
    reaches = np.ones(len(ledger), bool)
    caught = []
    for part in plan.keep.parts if isinstance(plan.keep, AllOf) else (plan.keep,):
        is_dropped = dropped_by == label(part)
        if target := _target(part):
            planted_as, planted = target[0], target[1](rows)
            judged = reaches & pc.is_valid(planted).to_numpy()
            is_planted = pc.fill_null(planted, False).to_numpy()
            name = f"{plan.name}: {label(part)}"
            caught.append(_counted(name, planted_as, is_planted[judged], is_dropped[judged]))
        reaches &= ~is_dropped
    return caught


def _target(part: Keep) -> tuple[str, Callable[[pa.Table], pa.ChunkedArray]] | None:
    columns = columns_of(part)
    return next((_TARGETS[column] for column in columns if column in _TARGETS), None)


def _counted(name: str, planted_as: str, is_planted: np.ndarray, is_dropped: np.ndarray) -> Caught:
    return Caught(name, planted_as, int(is_planted.sum()), int(is_dropped.sum()), int((is_planted & is_dropped).sum()))


def _keys(rows: pa.Table) -> np.ndarray:
    """Shard and row as one text per row; demo shards are five digits."""
    shard, row = rows["shard"], pc.utf8_lpad(rows["row"].cast(pa.string()), 6, "0")
    return pc.binary_join_element_wise(shard.cast(pa.string()), row, "/").to_numpy()
