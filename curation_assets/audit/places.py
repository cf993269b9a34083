"""Where samples lie in the pool that a uid, a sha256, a URL, a domain or a key names; and what was rejected under that name."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.web_address import host_and_path
from curation_assets.lineage.answer import Rejection, TakenDown
from curation_assets.tables import Key
from resources.delta import Lake

from .asked import DOMAIN, KEY, SHA256, UID, URL, Asked
from .removed_rows import read_redactions
from .requests import domains_of, url_form
from .stored_rows import POOL, Place, StoredRows
from .tombstones import read_tombstones
from .versions import uid_leaves

_REJECTED: Key = ("rejected_samples",)


def find_places(stored: StoredRows, asked: Asked) -> list[Place]:
    """Places of all samples of the pool that are meant, by shard and row."""
    if asked.kind == UID:
        return stored.places(*asked.halves)
    if asked.kind == KEY:
        shard, _, key = asked.text.partition("/")
        return _matching(stored, shard, "key", key) if shard in stored.shards else []
    column = "image_sha256" if asked.kind == SHA256 else "url"
    stored.tables(POOL, stored.shards, ["row", column])
    return [place for shard in stored.shards for place in _matching(stored, shard, column, asked)]


def is_match(column: pa.ChunkedArray, asked: Asked) -> np.ndarray:
    """Which values of a column `image_sha256` or `url` are meant; bool, shape (n,)."""
    if asked.kind == SHA256:
        return _true(pc.equal(column, pa.scalar(bytes.fromhex(asked.text), pa.binary())))
    meant = host_and_path(asked.text) if asked.kind == URL else (asked.text, "")
    # What is written in plain ASCII holds its host as it stands; anything else has to be read to know its host.
    is_candidate = _true(pc.match_substring_regex(column, f"(?i){re.escape(meant[0])}|[^\\x21-\\x7e]"))
    at = np.flatnonzero(is_candidate)
    found = np.zeros(len(column), bool)
    found[at] = [_is_meant(str(url), asked.kind, meant) for url in column.take(pa.array(at)).to_pylist()]
    return found


def find_rejected(stored: StoredRows, asked: Asked) -> tuple[list[Rejection], int]:
    """Rejected samples that a key or uid names, and how many rejected samples were looked at."""
    shards = [shard for shard in stored.state.shards if not stored.fault(_REJECTED, shard)] if _has_rejected(stored) else []
    count = sum(int(str(stored.state.records[_REJECTED][shard]["rows"])) for shard in shards)
    own, _, key = asked.text.partition("/")
    if asked.kind == KEY:
        shards = [shard for shard in shards if shard == own]
    elif asked.kind not in (UID, SHA256):
        return [], count
    found = []
    for shard, table in zip(shards, stored.tables(_REJECTED, shards), strict=True):
        by_key = asked.kind == KEY
        meant = pc.equal(table["key"], key) if by_key else pc.match_substring(table["detail"], asked.text, ignore_case=True)
        found += [_rejection(shard, row) for row in table.filter(pa.array(_true(meant))).to_pylist()]
    return found, count


def find_takedowns(lake: Lake, asked: Asked) -> list[TakenDown]:
    """Takedowns of a lake that refuse what is asked; of a published version those that took the uid out of it.

    Raises:
        LakeError: the lake has tombstones, and their salt is gone; or a redaction of the version is not readable.
    """
    values = [(asked.kind, asked.text)] if asked.kind in (UID, SHA256) else []
    values += [(URL, url_form(asked.text))] if asked.kind == URL else []
    if asked.kind in (URL, DOMAIN):
        values += [(DOMAIN, domain) for domain in domains_of(asked.text if asked.kind == URL else f"//{asked.text}")]
    tombstones = read_tombstones(lake) if values else None
    found = [] if tombstones is None else [(kind, tombstones.ticket(kind, value)) for kind, value in values]
    return [*(TakenDown(kind, ticket) for kind, ticket in found if ticket is not None), *_redacted(lake, asked)]


def _redacted(lake: Lake, asked: Asked) -> list[TakenDown]:
    """Takedowns after which a published version had a member of this uid no more; none of a live lake."""
    if asked.kind != UID or not lake.is_local:
        return []
    high, low = (np.array([half]) for half in asked.halves)
    (leaf,) = uid_leaves(high, low)
    return [TakenDown(UID, gone.ticket) for gone in read_redactions(Path(lake.root)) if leaf in gone.removed.values()]


def _has_rejected(stored: StoredRows) -> bool:
    return _REJECTED in stored.graph and stored.is_stored(_REJECTED)


def _rejection(shard: str, row: dict[str, object]) -> Rejection:
    offset = row["rejected_offset_bytes"]
    offset_bytes = None if offset is None else int(str(offset))
    return Rejection(shard, int(str(row["row"])), str(row["key"]), str(row["reason"]), str(row["detail"]), offset_bytes)


def _matching(stored: StoredRows, shard: str, column: str, wanted: str | Asked) -> list[Place]:
    table = stored.read(POOL, shard, ["row", column])
    meant = _true(pc.equal(table[column], wanted)) if isinstance(wanted, str) else is_match(table[column], wanted)
    return [(shard, int(row)) for row in table["row"].to_numpy()[meant]]


def _is_meant(url: str, kind: str, meant: tuple[str, str]) -> bool:
    host, path = host_and_path(url)
    return host == meant[0] or host.endswith(f".{meant[0]}") if kind == DOMAIN else (host, path) == meant


def _true(mask: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(mask, False).to_numpy()
