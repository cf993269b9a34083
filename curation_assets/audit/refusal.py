"""What a shard's reader found, without the samples that were taken down once."""

from collections.abc import Callable, Mapping

import numpy as np

from resources.shard_contents import ShardContents

from .near_pictures import WORDS
from .partition_cut import copied_uid, takedown_reason
from .tombstones import Samples, Tombstones

Pictures = Callable[[], tuple[np.ndarray, np.ndarray]]


def without_refused(contents: ShardContents, tombstones: Tombstones, pictures: Pictures) -> ShardContents:
    """The contents of a shard with refused samples among the rejected ones, without a key by which they could be known.

    Args:
        contents: as read.
        tombstones: what is refused.
        pictures: words of the kept samples' perceptual hashes, int64 of shape (n, 10), and where there are any, bool of shape
            (n,); only asked for if pictures are refused.
    """
    kept, n = contents.kept, len(contents.kept["row"])
    nothing = np.zeros((n, WORDS), np.int64), np.zeros(n, bool)
    words, is_pictured = pictures() if tombstones.pictures and n else nothing
    uids = [bytes(uid).hex() for uid in kept["uid"]]
    sha256 = [None if digest is None else bytes(digest).hex() for digest in kept["image_sha256"]]
    urls = [None if url is None else str(url) for url in kept["url"]]
    tickets = tombstones.refusals(Samples(uids, sha256, urls, words, is_pictured))
    refused = {uid: ticket for uid, ticket in zip(uids, tickets, strict=True) if ticket is not None}
    offsets = zip(kept["row"], kept["offset_bytes"], tickets, strict=True)
    new = [(row, "", takedown_reason(ticket), "", offset) for row, offset, ticket in offsets if ticket is not None]
    rejected = [_unnamed(row, tombstones, refused) for row in zip(*_columns(contents), strict=True)]
    rows = sorted([*rejected, *new], key=lambda row: row[0])
    left = {name: [v for v, ticket in zip(values, tickets, strict=True) if ticket is None] for name, values in kept.items()}
    columns = zip(*rows, strict=True) if rows else ((),) * len(_REJECTED)
    return ShardContents(left, {n: list(column) for n, column in zip(_REJECTED, columns, strict=True)}, contents.samples_seen)


def _columns(contents: ShardContents) -> list[list[object]]:
    return [contents.rejected[name] for name in _REJECTED]


def _unnamed(row: tuple[object, ...], tombstones: Tombstones, refused: Mapping[str, str]) -> tuple[object, ...]:
    """A rejected row as it is, or without the name of the refused sample whose uid it repeats."""
    number, _, reason, detail, offset = row
    uid = copied_uid(str(detail)) if reason == "duplicate_uid" else None
    if uid is None:
        return row
    ticket = refused.get(uid) or tombstones.ticket("uid", uid)
    return row if ticket is None else (number, "", takedown_reason(ticket), "", offset)


_REJECTED = ("row", "key", "reason", "detail", "offset_bytes")
