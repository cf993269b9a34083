"""Subsets and published versions as files that other tools read."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_assets.algorithms.identity import uid_hex, uid_order
from curation_assets.audit.versions import find_version, open_version, parse_reference, require_subset, stored_state
from curation_assets.errors import ArgumentError, LakeError
from curation_assets.holdings.project import Project
from curation_assets.holdings.shards import shard_files
from curation_assets.lineage.planning import data_versions
from curation_assets.nodes import column_owners
from curation_assets.tables import RAW_POOL, Key

FORMATS = ("datacomp", "parquet")


def export_subset(project: Project, reference: str, form: str, out: Path, copies: str | None = None) -> tuple[Path, int]:
    """Write a subset, or a published version, to a file.

    Args:
        project: recipe, graph and lake.
        reference: subset of the recipe, or published version such as `train@2`.
        form: `datacomp`, the uids as `.npy` of dtype `u8,u8`, ascending, as DataComp's resharder reads it; or `parquet`, one
            row per sample with uid, caption, url and where the image bytes lie.
        out: file to write; replaced if it exists.
        copies: score column that says how often each row is written, for samplers such as `image_based_copies`; a row
            without a value is not written.

    Returns:
        The file, and the number of rows.

    Raises:
        ArgumentError: unknown subset, version or format, or `out` cannot be written.
        LakeError: the subset is missing, failed a check, or was made from another raw_pool, for one shard or more.
    """
    if form not in FORMATS:
        raise ArgumentError(f"unknown format {form!r}; known: {', '.join(FORMATS)}")
    subset, number = parse_reference(reference)
    if number is not None:
        project = open_version(project, find_version(project, subset, number))
        shards = stored_state(project).shards
    else:
        require_subset(project, subset)
        shards = _exportable_shards(project, ("subsets", subset))
    owner = None if copies is None else _owner(project, copies)
    if owner is not None and number is None:
        _exportable_shards(project, owner)
    write = _write_uids if form == "datacomp" else _write_rows
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            times = {shard: _times(project, subset, shard, (owner, copies)) for shard in shards}
            rows = write(project, subset, times, temporary)
            temporary.replace(out)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ArgumentError(f"cannot write {out}: {error.strerror or error}; give another --out") from error
    return out, rows


def _exportable_shards(project: Project, key: Key) -> list[str]:
    """The pool's shards, all of which have a table that was made from the present rows of raw_pool and passed its checks.

    Raises:
        LakeError: a shard's table is missing, failed a check, or numbers the rows of another raw_pool.
    """
    shards = list(shard_files(project.recipe))
    pool, made = project.records(("raw_pool",)), project.records(key)
    readable = data_versions(made).keys() & data_versions(pool).keys()
    good = [s for s in shards if s in readable and made[s]["uid_digest"] == pool[s]["uid_digest"]]
    if len(good) < len(shards) or not shards:
        bad = ", ".join(shard for shard in shards[:5] if shard not in good)
        raise LakeError(
            f"{'/'.join(key)} can be read for {len(good)} of {len(shards)} shards, not {bad}; run curate apply first"
        )
    return shards


def _owner(project: Project, column: str) -> Key:
    """The score of a column of whole numbers from 0.

    Raises:
        ArgumentError: there is no such column.
    """
    owners, columns = column_owners(project.graph), {c.name: c for node in project.graph.values() for c in node.table.columns}
    counted = [
        n
        for n in owners
        if pa.types.is_integer(columns[n].type) and columns[n].bounds[0] is not None and columns[n].bounds[0] >= 0
    ]
    if column not in counted:
        raise ArgumentError(f"no score column {column!r} of whole numbers in this recipe; known: {', '.join(sorted(counted))}")
    return owners[column]


def _times(project: Project, subset: str, shard: str, copies: tuple[Key | None, str | None]) -> np.ndarray:
    """How often each row of a shard's subset is written, int64."""
    row = project.lake.read(f"subsets/{subset}", shard=shard, columns=["row"])["row"].to_numpy()
    owner, column = copies
    if owner is None or column is None:
        return np.ones(len(row), np.int64)
    score = project.lake.read("/".join(owner), shard=shard, columns=["row", column])
    at = np.searchsorted(score["row"].to_numpy(), row)
    return score[column].fill_null(0).to_numpy()[at].astype(np.int64)


def _write_uids(project: Project, subset: str, times: Mapping[str, np.ndarray], path: Path) -> int:
    columns = ["uid_hi", "uid_lo"]
    uid = pa.concat_tables(
        [
            project.lake.read(f"subsets/{subset}", shard=shard, columns=columns).take(pa.array(np.arange(len(n)).repeat(n)))
            for shard, n in times.items()
        ]
    )
    halves = [uid[name].to_numpy().view(np.uint64) for name in ("uid_hi", "uid_lo")]
    order = uid_order(*halves)
    pairs = np.empty(len(uid), dtype=[("f0", "<u8"), ("f1", "<u8")])
    pairs["f0"], pairs["f1"] = halves[0][order], halves[1][order]
    with path.open("wb") as file:
        np.save(file, pairs)
    return len(pairs)


def _write_rows(project: Project, subset: str, times: Mapping[str, np.ndarray], path: Path) -> int:
    """Shard by shard, so that memory holds one shard."""
    columns = [name for name in RAW_POOL.names if name not in ("uid_hi", "uid_lo")]
    schema = pa.schema([("uid", pa.string()), *((name, RAW_POOL.schema.field(name).type) for name in columns)])
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for shard, n in times.items():
            kept = project.lake.read(f"subsets/{subset}", shard=shard, columns=["row"])["row"].to_numpy()
            pool = project.lake.read("raw_pool", shard=shard)
            rows = pool.take(pa.array(np.searchsorted(pool["row"].to_numpy(), kept).repeat(n)))
            uid = pa.array(uid_hex(rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy()), pa.string())
            writer.write_table(pa.table([uid, *(rows[name].cast(schema.field(name).type) for name in columns)], schema=schema))
            count += len(rows)
    return count
