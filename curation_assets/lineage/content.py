"""The data version of a partition as its rows give it: the same rows have the same version, whenever and wherever made."""

import pyarrow as pa

from curation_assets.algorithms.digest import json_digest, table_digest
from curation_assets.tables import SHARD


def content_version(rows: pa.Table, uid_digest: str | None) -> str:
    """Data version of a partition from its rows, in stored order and types.

    Args:
        rows: all columns of the table; the partition column may be there or not.
        uid_digest: of the rows of raw_pool that these belong to, as in the record; None where they belong to none. Rows are
            joined by position, so the same numbers for other samples are another content.

    Returns:
        32 hex digits. An encoder's record says the digest of its weights instead.
    """
    content = table_digest(rows.drop_columns([SHARD.name]) if SHARD.name in rows.column_names else rows)
    return content if uid_digest is None or "uid_hi" in rows.column_names else json_digest([content, uid_digest])
