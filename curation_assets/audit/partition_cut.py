"""One partition of one table without the rows of samples that go, and without what points at them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation_assets.tables import REJECTED_SAMPLES
from resources.snapshot import Snapshot

from .lake_roots import LakeRoot
from .matching import among, uids_among
from .pool_cut import POOL, PoolCut

REJECTED = "rejected_samples"
_NOBODY = np.zeros(0, np.int32)
_DUPLICATE_OF = re.compile("uid ([0-9a-f]{32}) is that of row ")


@dataclass(frozen=True)
class CutPartition:
    """What is left of a partition.

    Args:
        rows: what is stored now; None leaves the rows as they are.
        uid_digest: of the pool's rows that it is joined to now.
        dropped: rows that it lost.
        blanked: rows that lost a pointer to a sample that goes.
        is_broken: whether it lost what it cannot do without, so that nothing may read it.
    """

    rows: pa.Table | None
    uid_digest: str | None
    dropped: int = 0
    blanked: int = 0
    is_broken: bool = False


def takedown_reason(ticket: str) -> str:
    """Why a rejected sample is not in the pool."""
    return f"takedown:{ticket}"


def copied_uid(detail: str) -> str | None:
    """The uid, as hex digits, that a rejected row's detail says it repeats; None if it says something else."""
    found = _DUPLICATE_OF.match(detail)
    return None if found is None else found[1]


def cut_partition(pool: PoolCut, table: str, shard: str | None, ticket: str) -> CutPartition:
    """What is left of a partition of any table but `takedowns`.

    Rows go by their number where the partition is joined to a raw_pool that is known, and by their uid where it has uids. Other
    columns `x_hi` and `x_lo` that hold a uid become NULL, or their row goes where NULL is not allowed.
    """
    snapshot = pool.root.lake.snapshot(table)
    record = {} if snapshot is None else snapshot.records.get(shard, {})
    digest = None if record.get("uid_digest") is None else str(record["uid_digest"])
    if snapshot is None or (shard is None and "shard" in snapshot.schema.names):
        return CutPartition(None, digest)
    if table == REJECTED and shard is not None:
        return _rejected(pool, snapshot, shard, ticket)
    gone, after = _NOBODY, digest
    if digest is not None and shard is not None:
        numbering = pool.numbering(shard, digest)
        if numbering is None:  # whose rows these are is not known any more; they are out of date in any case
            return CutPartition(snapshot.read(shard).slice(0, 0), digest, int(str(record["rows"])), is_broken=True)
        gone, after = numbering.gone, numbering.uid_digest
    return _without(pool, (snapshot, shard), gone, after)


def cut_key(pool: PoolCut, table: str, shard: str | None, ticket: str) -> tuple[object, ...]:
    """What, besides the request, decides what is left of a partition: equal keys, equal results."""
    snapshot = pool.root.lake.snapshot(table)
    identity = () if snapshot is None else snapshot.identity(shard)
    if not identity or shard is None:
        return (pool.root.name, shard)  # shared with nobody
    digest = snapshot.records.get(shard, {}).get("uid_digest")
    if table == REJECTED:
        source = pool.root.lake.snapshot(POOL)
        return (identity, ticket, pool.rows.get(shard, _NOBODY).tobytes(), source.identity(shard) if source else ())
    numbering = None if digest is None else pool.numbering(shard, str(digest))
    return (identity, digest, *((numbering.gone.tobytes(), numbering.uid_digest) if numbering else ()))


def _without(pool: PoolCut, part: tuple[Snapshot, str | None], gone: np.ndarray, after: str | None) -> CutPartition:
    snapshot, shard = part
    names = snapshot.schema.names
    pairs = [name.removesuffix("_hi") for name in names if name.endswith("_hi") and f"{name[:-3]}_lo" in names]
    keys = [name for name in ("row",) if name in names and len(gone)]
    # What surely loses rows is read at once, all else only as far as is needed to know that.
    found = snapshot.read(shard, None if keys else [f"{pair}_{half}" for pair in pairs for half in ("hi", "lo")])
    is_gone = among(found["row"].to_numpy(), gone) if keys else np.zeros(len(found), bool)
    hits = {pair: _pair_hits(found, pair, pool.wanted.uids) for pair in pairs}
    is_gone |= hits.pop("uid", False)
    points = {pair: hit & ~is_gone for pair, hit in hits.items() if (hit & ~is_gone).any()}
    must_stay = {pair: hit for pair, hit in points.items() if not snapshot.schema.field(f"{pair}_hi").nullable}
    is_replaced = not pool.root.is_live and shard is None  # nobody makes a published cut again
    is_broken = bool(must_stay) and not is_replaced
    if is_broken:
        is_gone |= np.logical_or.reduce(list(must_stay.values()))
    if not is_gone.any() and not points:
        return CutPartition(None, after)
    rows = found if keys else snapshot.read(shard)
    for pair, hit in points.items():
        rows = _replaced(rows, pair, hit, pool) if pair in must_stay else _blanked(rows, pair, hit)
    blanked = int((np.logical_or.reduce(list(points.values())) & ~is_gone).sum()) if points else 0
    rows = rows.filter(pa.array(~is_gone)).cast(snapshot.schema)
    return CutPartition(rows, after, int(is_gone.sum()), blanked, is_broken)


def _pair_hits(rows: pa.Table, pair: str, uids: set[str]) -> np.ndarray:
    """Where a pair of columns holds one of the uids; bool, shape (n,). NULL holds none."""
    halves = [rows[f"{pair}_{half}"] for half in ("hi", "lo")]
    if any(not pa.types.is_int64(half.type) for half in halves):
        return np.zeros(len(rows), bool)
    known = np.logical_and(*(half.is_valid().to_numpy() for half in halves))
    return known & uids_among(*(half.fill_null(0).to_numpy() for half in halves), uids)


def _blanked(rows: pa.Table, pair: str, hit: np.ndarray) -> pa.Table:
    for name in (f"{pair}_hi", f"{pair}_lo"):
        column = pa.array(rows[name].fill_null(0).to_numpy(), pa.int64(), mask=hit | rows[name].is_null().to_numpy())
        rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), column)
    return rows


def _replaced(rows: pa.Table, pair: str, hit: np.ndarray, pool: PoolCut) -> pa.Table:
    """A uid that something is compared with gives way to the next smaller one that stays: the same rows are on either side."""
    values = rows.to_pydict()
    for at in np.flatnonzero(hit):
        hi, lo = pool.uid_before(values[f"{pair}_hi"][at], values[f"{pair}_lo"][at])
        values[f"{pair}_hi"][at], values[f"{pair}_lo"][at] = hi, lo
    return pa.Table.from_pydict(values, schema=rows.schema)


def _rejected(pool: PoolCut, snapshot: Snapshot, shard: str, ticket: str) -> CutPartition:
    """The rejected samples of a shard, with those that go among them; a copy of one of those says no more whose it is."""
    rows, reason = snapshot.read(shard).to_pylist(), takedown_reason(ticket)
    blanked = 0
    for row in rows:
        if copied_uid(row["detail"]) in pool.wanted.uids:
            row |= {"key": "", "reason": reason, "detail": ""}
            blanked += 1
    known = {row["row"] for row in rows}
    new = [number for number in pool.rows.get(shard, _NOBODY).tolist() if number not in known]
    if not blanked and not new:
        return CutPartition(None, None)
    offsets = _offsets(pool.root, shard, new) if new else {}
    rows += [_rejected_row(shard, number, reason, offsets.get(number)) for number in new]
    rows.sort(key=lambda row: row["row"])
    table = pa.Table.from_pylist([{name: row[name] for name in REJECTED_SAMPLES.names} for row in rows], schema=snapshot.schema)
    return CutPartition(table, None, -len(new), blanked)


def _rejected_row(shard: str, number: int, reason: str, offset: int | None) -> Mapping[str, object]:
    return {
        "shard": shard,
        "row": number,
        "key": "",
        "reason": reason,
        "detail": "",
        "rejected_offset_bytes": offset,
    }


def _offsets(root: LakeRoot, shard: str, rows: list[int]) -> dict[int, int | None]:
    table = root.lake.read(POOL, shard=shard, columns=["row", "offset_bytes"])
    table = table.filter(pa.array(among(table["row"].to_numpy(), np.array(rows, np.int32))))
    return dict(zip(table["row"].to_pylist(), table["offset_bytes"].to_pylist(), strict=True))
