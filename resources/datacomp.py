"""Reads one shard of DataComp's metadata: a parquet of captions and facts, with features in an `.npz` beside it, no pixels.

Rows keep their place in the parquet, so that features are found by it. Facts of the images are taken as the source states
them; nothing here can check them.
"""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa

from resources.feature_file import check_features
from resources.parquet_columns import numbers_of, read_columns, texts_of
from resources.sample_facts import RejectedRow, SampleRow, encodable
from resources.shard_contents import ShardContents, columns_of
from resources.webdataset import SMALL_MEMBER_LIMIT_BYTES

# Column of the parquet -> column that keeps it.
STORED_SCORES = {
    "clip_b32_similarity_score": "stored_clip_b32_score",
    "clip_l14_similarity_score": "stored_clip_l14_score",
}
_NEEDED = ("uid", "url", "text")
_SIZES = ("original_width", "original_height")
_LARGEST_SIDE_PX = 2**31 - 1
_UID = re.compile(rb"[0-9a-fA-F]{32}")
_SHA256 = re.compile(rb"[0-9a-fA-F]{64}")


def features_path(path: Path) -> Path:
    """The file of features that belongs to a shard's parquet."""
    return path.with_suffix(".npz")


def read_datacomp(path: Path, *, verify: str = "structure") -> ShardContents:
    """Facts and stated scores of every row of a shard; nothing that a row holds makes it raise.

    A shard without features is whole all the same: its rows have no embeddings. Columns `original_width`,
    `original_height`, `sha256`, `face_bboxes` and the two scores may be missing; what is missing is NULL.

    Args:
        path: the parquet; the features lie beside it under the same name with `.npz`.
        verify: `structure` checks the features' sizes by their headers, `decode` reads all their values.

    Returns:
        Rejected are rows without a caption or a uid of 32 hex digits, with a size that no image has, or with a uid that an
        earlier row has. `kept` also has the columns of STORED_SCORES, and `reason`, why one of them is NULL.

    Raises:
        PoolError: the parquet or the features cannot be read, a needed column is missing or of another type, or the
            features have another number of rows.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108; columns as in the released metadata, mlfoundations/datacomp.
    """
    table = read_columns(path, _NEEDED, (*_SIZES, "sha256", "face_bboxes", *STORED_SCORES))
    if features_path(path).exists():
        check_features(features_path(path), len(table), is_thorough=verify == "decode")
    text = {name: texts_of(path, table, name) for name in (*_NEEDED, "sha256")}
    sizes = {name: numbers_of(path, table, name) for name in _SIZES}
    scores = {name: numbers_of(path, table, name) for name in STORED_SCORES}
    boxes = _boxes(table)
    kept: list[SampleRow] = []
    rejected: list[RejectedRow] = []
    first: dict[bytes, int] = {}
    for row, (uid, url, caption, sha256) in enumerate(zip(*text.values(), strict=True)):
        facts = _facts(row, (uid, url, caption, sha256), [sizes[name][row] for name in _SIZES], boxes[row])
        if isinstance(facts, SampleRow) and first.setdefault(facts.uid, row) != row:
            detail = f"uid {facts.uid.hex()} is that of row {first[facts.uid]}"
            facts = RejectedRow(row, facts.key, "duplicate_uid", detail, None)
        (kept if isinstance(facts, SampleRow) else rejected).append(facts)
    at = np.array([facts.row for facts in kept], np.int64)
    columns = {**columns_of(SampleRow._fields, kept), **_stated({name: scores[name][at] for name in scores})}
    contents = ShardContents(columns, columns_of(RejectedRow._fields, rejected), len(table))
    contents.check_accounts()
    return contents


def _boxes(table: pa.Table) -> list[object]:
    """Boxes of faces, lists of numbers; a column of anything else is as good as none."""
    kind = table["face_bboxes"].type if "face_bboxes" in table.column_names else pa.null()
    depth = 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind, depth = kind.value_type, depth + 1
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return table["face_bboxes"].to_pylist() if is_number and depth == 2 else [None] * len(table)


def _facts(row: int, texts: tuple[bytes | None, ...], sides: list[float], boxes: object) -> SampleRow | RejectedRow:
    """Facts of a row, or the first reason why it is refused."""
    uid, url, caption, sha256 = texts
    key = "" if uid is None else encodable(uid.decode("utf-8", "replace"))[:200]
    fault = _fault(uid, caption, sides)
    if fault is not None:
        return RejectedRow(row, key, *fault, None)
    remarks = []
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        remarks.append("sha256_malformed")
        sha256 = None
    extra = _extra(boxes, remarks)
    width, height = (None if np.isnan(side) else int(side) for side in sides)
    url = None if url is None else url.decode("utf-8", "replace")
    return SampleRow(
        row, bytes.fromhex(uid.decode()), key, caption.decode(), "text", url, width, height, None,
        None if sha256 is None else bytes.fromhex(sha256.decode()), None, None, None, None,
        ",".join(remarks), extra,
    )  # fmt: skip


def _fault(uid: bytes | None, caption: bytes | None, sides: list[float]) -> tuple[str, str] | None:
    """Reason and detail of a row that cannot be used."""
    if uid is None or not _UID.fullmatch(uid):
        found = "there is none" if uid is None else f"found {uid[:40]!r}"
        return "malformed_uid", f"a uid is 32 hex digits; {found}"
    if caption is None:
        return "missing_caption", "text is NULL"
    if len(caption) > SMALL_MEMBER_LIMIT_BYTES:
        return "missing_caption", f"text of {len(caption)} bytes is too large to be read"
    try:
        caption.decode("utf-8")
    except UnicodeDecodeError as error:
        return "invalid_utf8", f"text is not UTF-8 at byte {error.start}"
    for name, side in zip(_SIZES, sides, strict=True):
        if not np.isnan(side) and not (1 <= side <= _LARGEST_SIDE_PX and side == int(side)):
            return "malformed_size", f"{name} is {side:g}; a side is a whole number of pixels from 1"
    return None


def _extra(boxes: object, remarks: list[str]) -> str | None:
    if not boxes:
        return None
    try:
        return json.dumps({"face_bboxes": boxes}, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        remarks.append("face_bboxes_malformed")
        return None


def _stated(scores: dict[str, np.ndarray]) -> dict[str, list[object]]:
    """The stated scores of kept rows; one that is no cosine is NULL, with the reason."""
    is_cosine = {name: np.abs(values) <= 1 for name, values in scores.items()}  # NaN compares false
    columns = {
        STORED_SCORES[name]: [float(v) if good else None for v, good in zip(values, is_cosine[name], strict=True)]
        for name, values in scores.items()
    }
    reasons = [
        "; ".join(
            f"{name} is missing" if np.isnan(scores[name][at]) else f"{name} is {scores[name][at]:g}, no cosine"
            for name in scores
            if not is_cosine[name][at]
        )
        for at in range(len(next(iter(scores.values()))))
    ]
    return {**columns, "reason": [reason or None for reason in reasons]}
