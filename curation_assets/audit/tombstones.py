"""Tombstones: what was taken down, so that the pool's reader refuses it for ever; no value stands in the lake in plain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.digest import partition_version
from curation_assets.audit_tables import TAKEDOWNS
from curation_assets.errors import LakeError
from resources.delta import Lake, Part

from .masks import Masks, read_masks
from .near_pictures import near_rows
from .requests import domains_of, url_form

TABLE = "takedowns"
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Stones:
    """What one request adds.

    Args:
        values: plain values by kind: uid and sha256 as hex digits, url and domain in the form in which they are compared.
        pictures: int64, shape (n, 10) or (n, 1) each: perceptual hashes in the words of near_pictures.py.
        radius: up to which those are refused.
    """

    values: Mapping[str, Sequence[str]]
    pictures: Sequence[np.ndarray]
    radius: int


@dataclass(frozen=True)
class Samples:
    """What is asked about n samples: uids and sha256 as hex digits, URLs as they are, None where there is none.

    `pictures` is int64 of shape (n, 10), and `is_pictured` says where it holds something.
    """

    uids: Sequence[str]
    sha256: Sequence[str | None]
    urls: Sequence[str | None]
    pictures: np.ndarray
    is_pictured: np.ndarray


@dataclass(frozen=True)
class Tombstones:
    """All that a lake refuses: receipt by salted digest, pictures by their radius, tickets by receipt."""

    masks: Masks
    receipts: Mapping[bytes, int]
    kinds: frozenset[str]
    pictures: Sequence[tuple[np.ndarray, np.ndarray, int]]  # words, receipts, radius
    tickets: Mapping[int, str]

    def holds(self, kind: str, value: str) -> bool:
        """Whether a plain value is refused already."""
        return self.masks.digest(kind, value) in self.receipts

    def ticket(self, kind: str, value: str) -> str | None:
        """Of the oldest takedown that refuses a plain value; None if none does."""
        receipt = self.receipts.get(self.masks.digest(kind, value))
        return None if receipt is None else self.tickets[receipt]

    def holds_picture(self, words: np.ndarray, radius: int) -> bool:
        """Whether a picture of these words, int64 of shape (10,) or (1,), is refused already up to a radius."""
        return any(
            known.shape[1] == len(words) and own >= radius and bool((known == words).all(axis=1).any())
            for known, _, own in self.pictures
        )

    def refusals(self, samples: Samples) -> list[str | None]:
        """Per sample the ticket of the oldest takedown that refuses it, None if none does."""
        first = np.full(len(samples.uids), _NEVER, np.int64)
        for row, (uid, sha256, url) in enumerate(zip(samples.uids, samples.sha256, samples.urls, strict=True)):
            for digest in self._digests(uid, sha256, url):
                first[row] = min(first[row], self.receipts.get(digest, _NEVER))
        shown = np.flatnonzero(samples.is_pictured)
        for words, receipts, radius in self.pictures:
            for stone, row in near_rows(words, samples.pictures[shown], radius):
                np.minimum.at(first, shown[row], receipts[stone])
        return [None if receipt == _NEVER else self.tickets[int(receipt)] for receipt in first]

    def _digests(self, uid: str, sha256: str | None, url: str | None) -> list[bytes]:
        values = [("uid", uid)]
        if sha256 is not None:
            values.append(("sha256", sha256))
        if url is not None and self.kinds & {"url", "domain"}:
            values += [("url", url_form(url)), *(("domain", domain) for domain in domains_of(url))]
        return [self.masks.digest(kind, value) for kind, value in values if kind in self.kinds]


def read_tombstones(lake: Lake) -> Tombstones | None:
    """What a lake refuses; None if that is nothing, which costs one look at the disk.

    Raises:
        LakeError: the lake has tombstones, and their salt is gone or is another one.
    """
    if not lake.is_local or not (Path(lake.root) / TABLE).is_dir() or not lake.exists(TABLE):
        return None
    table = lake.read(TABLE)
    if not len(table):
        return None
    masks, rows = _masks(lake), table.to_pylist()
    receipts: dict[bytes, int] = {}
    for row in rows:
        if row["digest"] is not None:
            receipts[row["digest"]] = min(row["receipt"], receipts.get(row["digest"], _NEVER))
    tickets = {row["receipt"]: row["ticket"] for row in rows}
    return Tombstones(masks, receipts, frozenset(row["kind"] for row in rows), _pictures(rows, masks), tickets)


def write_tombstones(lake: Lake, stones: Stones, ticket: str, receipt: int) -> None:
    """Add what a takedown refuses; all of it or nothing, and nothing is written if it is there already.

    Raises:
        LakeError: the lake has tombstones, and their salt is gone or is another one.
    """
    masks = _masks(lake)
    schema = TAKEDOWNS.schema
    before = lake.read(TABLE) if lake.exists(TABLE) else schema.empty_table()
    own = {"radius": None, "ticket": ticket, "receipt": receipt, "digest": None, "masked_hash": None, "masked_detail": None}
    rows = [
        {**own, "kind": kind, "digest": masks.digest(kind, value)} for kind, values in stones.values.items() for value in values
    ]
    for words in stones.pictures:
        for row in masks.masked(words):
            detail = row[1:].astype("<i8").tobytes() or None
            rows.append({**own, "kind": "phash", "masked_hash": int(row[0]), "masked_detail": detail, "radius": stones.radius})
    known = {_identity(row) for row in before.to_pylist()}
    new = sorted({_identity(row): row for row in rows if _identity(row) not in known}.items(), key=lambda item: str(item[0]))
    if not new:
        return
    added = pa.Table.from_pylist([row for _, row in new], schema=schema)
    whole = pa.concat_tables([before.cast(schema), added])
    record: dict[str, object] = {"asset": TABLE, "ticket": ticket, "receipt": receipt}
    record |= {"data_version": partition_version(whole, None), "salt_digest": _salt_digest(masks)}
    lake.write(TABLE, [Part(None, whole, record)])


def _masks(lake: Lake) -> Masks:
    """The masks by which a lake refuses samples, drawn where it refuses none yet.

    Raises:
        LakeError: with these masks no stored tombstone would mean what it meant.
    """
    masks = read_masks(lake.root, may_make=not lake.exists(TABLE))
    known = lake.records(TABLE).get(None, {}).get("salt_digest")
    if known is not None and known != _salt_digest(masks):
        raise LakeError(
            f"the salt in {lake.root} is not the one by which it refuses samples; bring it back from a copy of the lake, or "
            "what was taken down could come in again"
        )
    return masks


def _salt_digest(masks: Masks) -> str:
    return masks.digest("salt", "").hex()


def _pictures(rows: Sequence[Mapping[str, object]], masks: Masks) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Plain words and receipts of the refused pictures, by radius and by how much is known of them."""
    groups: dict[tuple[int, int], list[tuple[np.ndarray, int]]] = {}
    for row in rows:
        if row["masked_hash"] is not None:
            detail = row["masked_detail"] or b""
            words = np.array([row["masked_hash"], *np.frombuffer(detail, "<i8")], np.int64)
            groups.setdefault((row["radius"], len(words)), []).append((words, row["receipt"]))
    return [
        (masks.masked(np.stack([words for words, _ in found])), np.array([receipt for _, receipt in found], np.int64), radius)
        for (radius, _), found in sorted(groups.items())
    ]


def _identity(row: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in TAKEDOWNS.names)
