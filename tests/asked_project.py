"""A project whose subsets ask for everything that `why` explains, and a slow second opinion on it, from raw tables alone."""

from pathlib import Path

import numpy as np
import polars as pl
from deltalake import DeltaTable

ASKED: dict[str, object] = {
    "basic": {
        "keep": ["english_caption", {"caption_length": {}}, {"image_size": {"min_side_px": 64, "max_aspect_ratio": 3.0}}]
    },
    "aligned": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.5}}]},
    "mixed": {
        "from": "basic",
        "keep": [
            {"any": [{"clip_score": {"min": 0.05}}, {"not": {"caption_length": {"min_words": 8}}}]},
            {"semantic_duplicate": {"eps": 0.05}},
            {"image_copies": {"max": 0}},
            {"phash_distance": {"min": 3}},
        ],
    },
}
SCORES = (
    "caption_language",
    "caption_length",
    "image_size",
    "clip_score",
    "semdedup_similarity",
    "image_copies",
    "phash_distance",
)
MIXED_ANY = "any(clip_score, not(caption_length))"


def raw(lake: str, table: str) -> pl.DataFrame:
    """A table as delta-rs reads it, without our readers."""
    return pl.from_arrow(DeltaTable(f"{lake}/{table}").to_pyarrow_table())


def joined(lake: str) -> pl.DataFrame:
    """The pool with all scores side by side, and the uid as hex."""
    pool = raw(lake, "raw_pool")
    for score in SCORES:
        pool = pool.join(raw(lake, f"scores/{score}").drop("reason"), on=["shard", "row"], how="left")
    uid = [
        f"{hi % 2**64:016x}{lo % 2**64:016x}" for hi, lo in zip(pool["uid_hi"].to_list(), pool["uid_lo"].to_list(), strict=True)
    ]
    return pool.with_columns(uid=pl.Series(uid)).sort("shard", "row")


def true_false(values: pl.Series, sign: str, threshold: float | str) -> tuple[np.ndarray, np.ndarray]:
    """Where a condition is true and where it is false; NULL is neither."""
    if isinstance(threshold, float) and values.dtype == pl.Float32:
        threshold = float(np.float32(threshold))
    is_true = (
        {"==": values == threshold, ">=": values >= threshold, "<=": values <= threshold}[sign].fill_null(False).to_numpy()
    )
    return is_true, values.is_not_null().to_numpy() & ~is_true


def decided(rows: pl.DataFrame) -> dict[str, list[tuple[bool | None, str | None]]]:
    """Per subset and row: kept or not and by what it was dropped; None where it did not reach the subset."""
    ok = {
        "english_caption": true_false(rows["caption_language"], "==", "en")[0],
        "caption_length": true_false(rows["caption_words"], ">=", 3)[0] & true_false(rows["caption_chars"], ">=", 6)[0],
        "image_size": true_false(rows["min_side_px"], ">=", 64)[0] & true_false(rows["aspect_ratio"], "<=", 3.0)[0],
    }
    basic = np.logical_and.reduce(list(ok.values()))
    # Exactly the best half of those that have a value; of equal values the smaller uids.
    order = sorted(
        (-score, uid, i)
        for i, (score, uid) in enumerate(zip(rows["clip_score"].to_list(), rows["uid"].to_list(), strict=True))
        if basic[i] and score is not None
    )
    best = {i for _, _, i in order[: int(0.5 * len(order) + 1e-9)]}
    words, chars = true_false(rows["caption_words"], ">=", 8), true_false(rows["caption_chars"], ">=", 6)
    mixed = {
        MIXED_ANY: true_false(rows["clip_score"], ">=", 0.05)[0] | words[1] | chars[1],
        "semantic_duplicate": true_false(rows["semdedup_similarity"], "<=", 1 - 0.05)[0],
        "image_copies": true_false(rows["image_copies"], "<=", 0)[0],
        "phash_distance": true_false(rows["phash_distance"], ">=", 3)[0],
    }
    in_best = np.array([i in best for i in range(len(rows))])
    return {
        "basic": _first(ok, np.ones(len(rows), bool)),
        "aligned": _first({"clip_score": in_best}, basic),
        "mixed": _first(mixed, basic),
    }


def _first(filters: dict[str, np.ndarray], is_reached: np.ndarray) -> list[tuple[bool | None, str | None]]:
    found: list[tuple[bool | None, str | None]] = []
    for i, reached in enumerate(is_reached):
        failing = next((name for name, passes in filters.items() if not passes[i]), None)
        found.append((failing is None, failing) if reached else (None, None))
    return found


def bytes_at(folder: Path, tar: str, offset: int, length: int) -> bytes:
    with (folder / tar).open("rb") as file:
        file.seek(offset)
        return file.read(length)
