"""What a subset kept and dropped, to look at: a contact sheet and a table of captions, made inert."""

import dagster as dg
import numpy as np
import pyarrow as pa
from PIL import Image

from curation_assets.algorithms.decisions import Decisions
from curation_assets.algorithms.identity import uid_hex
from curation_assets.algorithms.inert import inert
from curation_assets.algorithms.sampling import keyed_sample
from curation_assets.holdings.image_places import image_places
from curation_assets.recipe import Recipe
from resources.thumbnails import thumbnail

from .pictures import contact_sheet, inline

_SHOWN = 16


def gallery(pool: pa.Table, row: np.ndarray, decisions: Decisions, recipe: Recipe) -> dict[str, object]:
    """Metadata of a subset's shard: a contact sheet of kept and dropped samples, and why some were dropped.

    Args:
        pool: the shard of raw_pool.
        row: row numbers that were decided on, shape (n,).
        decisions: the n decisions.
        recipe: says where the tars are.
    """
    at = np.searchsorted(pool["row"].to_numpy(), row)
    chosen = {is_kept: _sample(pool, at, np.flatnonzero(decisions.is_kept == is_kept)) for is_kept in (True, False)}
    pictures = {is_kept: thumbnails(pool.take(pa.array(at[where])), recipe) for is_kept, where in chosen.items()}
    sheet = contact_sheet(pictures[True], pictures[False])
    shown = np.concatenate([chosen[False], chosen[True]])
    samples = pool.take(pa.array(at[shown])).select(["uid_hi", "uid_lo", "text"])
    uids = uid_hex(samples["uid_hi"].to_numpy(), samples["uid_lo"].to_numpy())
    records = [
        dg.TableRecord(
            {
                "decision": "kept" if decisions.is_kept[i] else f"dropped by {decisions.filter[i]}",
                "because": _because(decisions, i),
                "caption": inert(text, longest=100),
                "uid": uid,
            }
        )
        for uid, i, text in zip(uids, shown, samples["text"].to_pylist(), strict=True)
    ]
    metadata: dict[str, object] = {"contact_sheet": inline(sheet, "kept samples first, dropped ones below")}
    if records:
        metadata["samples"] = dg.MetadataValue.table(records=records)
    return metadata


def thumbnails(rows: pa.Table, recipe: Recipe, side_px: int = 96) -> list[Image.Image]:
    """Small pictures of rows of raw_pool, read from their tars; a grey square where one cannot be decoded."""
    return [thumbnail(place, side_px) for place in image_places(rows, recipe)]


def _sample(pool: pa.Table, at: np.ndarray, where: np.ndarray) -> np.ndarray:
    """At most `_SHOWN` of the positions `where`, by keyed hash, so that a rerun shows the same samples."""
    uid_hi = pool["uid_hi"].to_numpy()[at[where]]
    uid_lo = pool["uid_lo"].to_numpy()[at[where]]
    return where[keyed_sample(uid_hi, uid_lo, _SHOWN, seed=0, method="gallery")]


def _because(decisions: Decisions, i: int) -> str:
    if decisions.is_kept[i]:
        return ""
    value, threshold = decisions.value[i], decisions.threshold[i]
    shown = [f"{v:.6g}" if isinstance(v, (int, float)) else str(v) for v in (value, threshold)]
    return inert(f"{decisions.column[i]} is {shown[0]}, needs {decisions.comparison[i]} {shown[1]}")
