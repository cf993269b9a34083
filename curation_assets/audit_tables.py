"""Tables of what was published, and of what was taken down. Their rows are no facts about the pool that a method could read."""

import pyarrow as pa

from .tables import UID, Column, Table, pool_table

_PUBLISHED = (
    *("key", "text", "url", "image_sha256", "width", "height", "format"),
    *("tar", "offset_bytes", "image_bytes", "licence"),
)

DATASET = Table(
    (
        Column("dataset_version", pa.int32(), "number of the published version, from 1", bounds=(1, None)),
        Column("published_at", pa.string(), "UTC, ISO 8601"),
        Column("published_rows", pa.int64(), "rows of the version", bounds=(0, None)),
        Column("content_digest", pa.string(), "sha256 over the digests of its uids and columns: equal content, equal digest"),
        Column("manifest_sha256", pa.string(), "sha256 of manifest.json"),
        Column("manifest", pa.string(), "manifest.json itself"),
    ),
    is_sharded=False,
)

# The rows of a published version as users read them, ascending by uid.
MEMBERS = Table(
    (
        *UID,
        Column("pool_shard", pa.string(), "shard that the sample came in"),
        Column("pool_row", pa.int32(), "its row there"),
        *(c for c in pool_table(has_pixels=False).columns if c.name in _PUBLISHED),
    ),
    is_sharded=False,
)

# What may not come in again. No node of the graph: commands that remove samples write it, and the pool's reader asks it.
TAKEDOWNS = Table(
    (
        Column("kind", pa.string(), "what is refused: uid, sha256, url, domain or phash"),
        Column("digest", pa.binary(), "salted sha256 of the kind and its value; NULL for pictures", is_nullable=True),
        Column("masked_hash", pa.int64(), "64 bits of a picture under the lake's pad: distances survive", is_nullable=True),
        Column(
            "masked_detail",
            pa.binary(),
            "64 bits of the flipped picture and both details, under the pad; NULL if only 64 bits are known",
            is_nullable=True,
        ),
        Column("radius", pa.int32(), "perceptual distance up to which pictures are refused", is_nullable=True, bounds=(0, 16)),
        Column("ticket", pa.string(), "number of the request"),
        Column("receipt", pa.int64(), "number of the receipt that the removal got", bounds=(1, None)),
    ),
    is_sharded=False,
)

# What an audit found, breaches first.
AUDIT_REPORT = Table(
    (
        Column("broken_check", pa.string(), "code of the check, as in docs/audit.md"),
        Column("severity", pa.string(), "breach or warning"),
        Column("broken_table", pa.string(), "table or other place below the lake's root"),
        Column("broken_partition", pa.string(), "shard; empty where there is none"),
        Column("broken_place", pa.string(), "file or column"),
        Column("expected", pa.string(), "what has to be there"),
        Column("found", pa.string(), "what is there"),
        Column("remedy", pa.string(), "what to do"),
    ),
    is_sharded=False,
)
