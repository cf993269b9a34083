"""Every stored table: its columns with Arrow type, unit and meaning, and how it is partitioned.

A column name belongs to exactly one table, so a method that names a column names its input asset too. The tables of scores
are not here: a score declares its own columns in its own file.
"""

from dataclasses import dataclass, replace

import pyarrow as pa

Key = tuple[str, ...]  # name of an asset in parts, such as ("scores", "clip_score"); joined by / it is its table's place


@dataclass(frozen=True)
class Column:
    """One column of a stored table.

    Args:
        name: unique over all tables, but for the keys `shard`, `row`, `uid_hi`, `uid_lo`, `key` and `reason`.
        type: Arrow type as Delta stores it.
        meaning: one line for the catalogue in the Dagster UI, with the unit where there is one.
        is_nullable: whether NULL is a legal value.
        bounds: smallest and largest legal value of a number, both inclusive; None is unbounded.
    """

    name: str
    type: pa.DataType
    meaning: str
    is_nullable: bool = False
    bounds: tuple[float | None, float | None] = (None, None)

    @property
    def is_number(self) -> bool:
        """Whether a threshold on this column makes sense."""
        return pa.types.is_integer(self.type) or pa.types.is_floating(self.type)


@dataclass(frozen=True)
class Table:
    """A stored table. `is_sharded` tables have one partition per shard, named by the column `shard`."""

    columns: tuple[Column, ...]
    is_sharded: bool = True

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema in storage order."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.is_nullable) for c in self.columns])

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)


SHARD = Column("shard", pa.string(), "partition: one tar file, one parquet file, or one folder")
ROW = Column("row", pa.int32(), "ordinal of the sample in its shard; never renumbered, rejected samples leave gaps")
UID = (
    Column("uid_hi", pa.int64(), "high 64 bits of the uid, as signed integer"),
    Column("uid_lo", pa.int64(), "low 64 bits of the uid, as signed integer"),
)
REASON = Column("reason", pa.string(), "why a value is NULL; NULL when it was measured", is_nullable=True)

RAW_POOL = Table(
    (
        SHARD,
        ROW,
        *UID,
        Column("key", pa.string(), "name of the sample inside the shard"),
        Column("text", pa.string(), "caption"),
        Column(
            "caption_source", pa.string(), "what the caption was read from: txt, json, text (a column), or a file of captions"
        ),
        Column("url", pa.string(), "where the image was found", is_nullable=True),
        Column("width", pa.int32(), "px, from the image header, or as the source states it", bounds=(1, None)),
        Column("height", pa.int32(), "px, from the image header, or as the source states it", bounds=(1, None)),
        Column("format", pa.string(), "image format by content, not by extension"),
        Column("image_sha256", pa.binary(), "sha256 of the image bytes, or as the source states it"),
        Column(
            "tar", pa.string(), "file with the image, a tar or another; relative to the recipe's folder if it lies below it"
        ),
        Column(
            "offset_bytes", pa.int64(), "position of the image bytes in that file; in a parquet file, the row", bounds=(0, None)
        ),
        Column("image_bytes", pa.int64(), "length of the image bytes", bounds=(1, None)),
        Column("licence", pa.string(), "licence as stated by the source", is_nullable=True),
        Column("is_sha256_matching", pa.bool_(), "whether the sha256 in the json is that of the bytes", is_nullable=True),
        Column("remarks", pa.string(), "what was odd but not fatal, comma separated codes"),
        Column("extra", pa.string(), "all other json fields, as canonical JSON", is_nullable=True),
    )
)

# What only the bytes of an image file, or their source, can tell.
_OF_FILES = ("width", "height", "format", "image_sha256", "tar", "offset_bytes", "image_bytes")


def pool_table(*, has_pixels: bool) -> Table:
    """RAW_POOL, with NULL allowed for the facts of image files where a pool may have none."""
    loose = (replace(column, is_nullable=column.is_nullable or column.name in _OF_FILES) for column in RAW_POOL.columns)
    return RAW_POOL if has_pixels else Table(tuple(loose))


POOL_SCORES = Table(
    (
        SHARD,
        ROW,
        Column("stored_clip_b32_score", pa.float32(), "ViT-B/32 cosine, from the source", is_nullable=True, bounds=(-1, 1)),
        Column("stored_clip_l14_score", pa.float32(), "ViT-L/14 cosine, from the source", is_nullable=True, bounds=(-1, 1)),
        REASON,
    )
)

REJECTED_SAMPLES = Table(
    (
        SHARD,
        ROW,
        Column("key", pa.string(), "name of the sample inside the shard"),
        Column("reason", pa.string(), "why the sample is not in the pool"),
        Column("detail", pa.string(), "what was found, at most 400 printable characters"),
        Column("rejected_offset_bytes", pa.int64(), "position in the tar", is_nullable=True),
    )
)

ENCODER = Table(
    (
        Column("weights_sha256", pa.string(), "sha256 over names, shapes, types and bytes of all weights"),
        Column("encoder_name", pa.string(), "model and tag, file, or filter_network"),
        Column("weights", pa.string(), "OpenCLIP tag, or file (relative to the lake if it lies below it)"),
        Column("network", pa.string(), "OpenCLIP model name, or the configuration of an own network as JSON"),
        Column("dimensions", pa.int32(), "length of an embedding"),
        Column("encoder_image_size_px", pa.int32(), "side of the square picture that the model sees"),
    ),
    is_sharded=False,
)

FILTER_NETWORK = Table(
    (
        Column("network_sha256", pa.string(), "sha256 over the trained weights, as in encoder.weights_sha256"),
        Column("network_weights", pa.string(), "safetensors file, relative to the lake"),
        Column("network_configuration", pa.string(), "OpenCLIP model configuration as JSON"),
        Column("network_pairs", pa.int64(), "image-text pairs seen per epoch"),
        Column("network_auc", pa.float64(), "matched against swapped captions on held-out pairs", is_nullable=True),
        Column("network_losses", pa.list_(pa.float64()), "mean contrastive loss of each epoch, nats"),
    ),
    is_sharded=False,
)

EMBEDDINGS = Table(
    (
        SHARD,
        ROW,
        Column("image_embedding", pa.binary(), "CLIP image vector, L2 norm 1, little-endian float16", is_nullable=True),
        Column("text_embedding", pa.binary(), "CLIP text vector, L2 norm 1, little-endian float16", is_nullable=True),
        REASON,
    )
)

PERCEPTUAL_HASHES = Table(
    (
        SHARD,
        ROW,
        Column("perceptual_hash", pa.int64(), "64 bits of the picture's low frequencies", is_nullable=True),
        Column("mirrored_hash", pa.int64(), "that of the picture flipped left to right", is_nullable=True),
        Column("detail_hash", pa.binary(), "256 bits of the picture and 256 of the flipped one", is_nullable=True),
        REASON,
    )
)

CENTROIDS = Table(
    (
        Column("centroid_id", pa.int32(), "cluster number"),
        Column("centroid", pa.binary(), "mean direction of the cluster, L2 norm 1, little-endian float32"),
        Column("training_samples", pa.int64(), "training samples that were nearest to it"),
    ),
    is_sharded=False,
)

CLUSTER_ASSIGNMENTS = Table(
    (
        SHARD,
        ROW,
        Column("cluster_id", pa.int32(), "centroid with the largest cosine similarity", is_nullable=True),
        Column("centroid_similarity", pa.float32(), "cosine similarity to that centroid", is_nullable=True, bounds=(-1, 1)),
        REASON,
    )
)

CLUSTER_DRIFT = Table(
    (
        Column(
            "drift", pa.float64(), "share of the samples that changed cluster since the fit: half the L1 distance of shares"
        ),
        Column("drift_samples", pa.int64(), "samples with a cluster now"),
        Column("fitted_samples", pa.int64(), "samples that the centroids were fitted on"),
        Column("mean_similarity", pa.float64(), "mean cosine similarity to the centroid now", is_nullable=True),
    ),
    is_sharded=False,
)

TARGET_EMBEDDINGS = Table(
    (
        Column("target_file", pa.string(), "picture's path in the target set's folder"),
        Column("target_class", pa.string(), "folder that it lies in; empty at the top"),
        Column("target_sha256", pa.binary(), "sha256 of its bytes"),
        Column("target_embedding", pa.binary(), "CLIP image vector, L2 norm 1, little-endian float16", is_nullable=True),
        REASON,
    ),
    is_sharded=False,
)

CUT = Table(
    (
        Column("fraction", pa.float64(), "share to keep of the rows that have a value"),
        Column("population", pa.int64(), "rows that have a value"),
        Column("cut_rows", pa.int64(), "rows kept: floor(fraction * population + 1e-9)"),
        Column("cut_value", pa.float64(), "value of the last row kept; NULL when none is kept", is_nullable=True),
        Column("cut_uid_hi", pa.int64(), "uid of the last row kept: rows with this value and a larger uid are dropped"),
        Column("cut_uid_lo", pa.int64(), "low half of that uid"),
    ),
    is_sharded=False,
)

SUBSET = Table((SHARD, ROW, *UID))

DECISIONS = Table(
    (
        SHARD,
        ROW,
        *UID,
        Column("is_kept", pa.bool_(), "whether the row is in the subset"),
        Column("filter", pa.string(), "first filter that dropped the row", is_nullable=True),
        Column("column", pa.string(), "column that this filter looked at", is_nullable=True),
        Column("comparison", pa.string(), "what the value had to be: ==, >= or <= the threshold", is_nullable=True),
        Column("value", pa.float64(), "the row's value, when it is a number", is_nullable=True),
        Column("value_text", pa.string(), "the row's value, when it is a text", is_nullable=True),
        Column("threshold", pa.float64(), "the threshold, when it is a number", is_nullable=True),
        Column("threshold_text", pa.string(), "the threshold, when it is a text", is_nullable=True),
    )
)

# Tables whose columns a score may take as positional parameters, by the asset that makes them.
MEASURED: dict[str, Table] = {
    "raw_pool": RAW_POOL,
    "pool_scores": POOL_SCORES,  # for pools whose source states scores
    "embeddings": EMBEDDINGS,
    "perceptual_hashes": PERCEPTUAL_HASHES,
    "cluster_assignments": CLUSTER_ASSIGNMENTS,
}
