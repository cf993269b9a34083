"""How tables are written: encodings by what is in a column, and for how long the log is kept."""

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import ColumnProperties, WriterProperties

from resources.snapshot import SHARD

# Measured with deltalake 1.6.6: the log of 1,000 commits opens in 7 ms with a checkpoint every 20 and in 225 ms without one;
# by default log files older than 30 days, and with them the recorded lineage, would be deleted at a checkpoint.
CONFIGURATION = {
    "delta.checkpointInterval": "20",
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.enableExpiredLogCleanup": "false",
}
_WIDE_ROWS = 16_384
_NAMES = ("key", "url", "image_sha256")  # each sample has its own


def writer_properties(schema: pa.Schema) -> WriterProperties:
    """Encodings, compression and row groups for a table of these columns, as delta-rs takes them."""
    if _is_wide(schema):
        plain = ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE")
        return WriterProperties(compression="UNCOMPRESSED", max_row_group_size=_WIDE_ROWS, default_column_properties=plain)
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        max_row_group_size=_group_rows(schema),
        column_properties={
            name: ColumnProperties(dictionary_enabled=False, encoding=encoding)
            for name, encoding in _distinct_values(schema).items()
        },
    )


def data_file(rows: pa.Table) -> pa.Buffer:
    """A data file of a table with these columns, laid out by the same rules.

    Written by pyarrow, which takes half of delta-rs's time and leaves the interpreter to other threads.
    """
    stored = rows.drop_columns([SHARD]) if SHARD in rows.column_names else rows
    to = pa.BufferOutputStream()
    if _is_wide(rows.schema):
        pq.write_table(stored, to, compression="none", row_group_size=_WIDE_ROWS, use_dictionary=False, write_statistics=False)
    else:
        distinct = _distinct_values(stored.schema)
        pq.write_table(
            stored,
            to,
            compression="zstd",
            compression_level=1,
            row_group_size=_group_rows(rows.schema),
            use_dictionary=[_leaf(field) for field in stored.schema if field.name not in distinct],
            column_encoding={name: encoding or "PLAIN" for name, encoding in distinct.items()},
        )
    return to.getvalue()


def _leaf(field: pa.Field) -> str:
    """Where parquet keeps a column's values."""
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name


def _is_wide(schema: pa.Schema) -> bool:
    """Whether a table holds embeddings: incompressible; small row groups keep writing 1 GB at 0.3 GB (2.7 before)."""
    return any(pa.types.is_binary(field.type) and field.name.endswith("_embedding") for field in schema)


def _group_rows(schema: pa.Schema) -> int:
    """Facts and scores are scanned whole; tables without shards may be sorted, and searched."""
    return 131_072 if SHARD in schema.names else 32_768


def _distinct_values(schema: pa.Schema) -> dict[str, str | None]:
    """Columns in which hardly any value comes twice, and their encoding where it is not the plain one.

    There a dictionary costs more than it saves. Measured per row of a ledger of 100,000: row 4.4 -> 0.0 bytes, uid
    19.9 -> 16.0, value 5.8 -> 4.4; and a whole float32 score 9.8 -> 3.1. The members of a version of 10^6 rows with plain names
    are written in 0.7 s and not 1.3, read in 0.3 s and not 0.5.
    """
    found: dict[str, str | None] = {}
    for field in schema:
        if field.name == "row":
            found[field.name] = "DELTA_BINARY_PACKED"
        elif field.name.endswith(("_hi", "_lo")) or field.name in _NAMES:
            found[field.name] = None
        elif pa.types.is_floating(field.type) and field.name != "threshold":
            found[field.name] = "BYTE_STREAM_SPLIT"
    return found
