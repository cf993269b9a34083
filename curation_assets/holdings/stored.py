"""Stored scores and cuts as filters want them: at given rows, and as conditions; and what the filters then decide."""

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Decisions, Rows, decide
from curation_assets.algorithms.order_statistics import Shard
from curation_assets.errors import LakeError
from curation_assets.keep import columns_of, fractions, with_cuts
from curation_assets.lineage.diff import Stage
from curation_assets.nodes import Graph, column_owners, cut_key
from curation_assets.recipe import SubsetPlan
from curation_assets.spec import Condition, Fraction
from curation_assets.tables import Key

# Reads columns of a partition, of one shard that the caller has in mind, in ascending row; None means all columns.
Read = Callable[[Key, list[str] | None], pa.Table]


def decided(read: Read, graph: Graph, plan: SubsetPlan, rows: pa.Table) -> Decisions:
    """What a subset's filters decide on rows of a shard, from the stored scores and cuts.

    Args:
        read: of the shard.
        graph: says which table a score is in.
        plan: the subset.
        rows: row, uid_hi and uid_lo of its source, in ascending row.

    Raises:
        LakeError: a row is missing in a score's table.
    """
    keep = with_cuts(plan.keep, read_cuts(read, plan))
    columns = score_columns(read, graph, columns_of(keep), rows["row"].to_numpy())
    return decide(keep, Rows(columns, rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy()))


def score_columns(read: Read, graph: Graph, columns: Iterable[str], row: np.ndarray) -> dict[str, pa.Array]:
    """Score columns at the given rows of a shard, int of shape (n,), ascending.

    Raises:
        LakeError: a row is missing in a score's table.
    """
    owners = column_owners(graph)
    wanted: dict[Key, list[str]] = {}
    for column in dict.fromkeys(columns):
        wanted.setdefault(owners[column], []).append(column)
    found: dict[str, pa.Array] = {}
    for owner, own in wanted.items():
        table = read(owner, ["row", *own])
        at = _positions(table["row"].to_numpy(), row, graph[owner].name)
        found |= {column: table[column].combine_chunks().take(at) for column in own}
    return found


def population(read: Read, graph: Graph, source: Key, column: str) -> Shard:
    """Value and uid of every row of a shard that a fraction is taken of; NaN where there is no value.

    Raises:
        LakeError: a row is missing in the score's table.
    """
    rows = read(source, ["row", "uid_hi", "uid_lo"])
    value = score_columns(read, graph, [column], rows["row"].to_numpy())[column]
    kind = value.type.to_pandas_dtype()
    if value.null_count and not np.issubdtype(kind, np.floating):
        kind = np.float64  # integers have no NaN; every 32-bit integer is exact as float64
    filled = value.cast(pa.from_numpy_dtype(kind)).to_numpy(zero_copy_only=False)
    return filled, rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy()


def read_cuts(read: Read, plan: SubsetPlan) -> dict[Fraction, Condition]:
    """The condition that each fraction of a subset means, from its stored cut.

    Raises:
        LakeError: a takedown has emptied a cut.
    """
    found = {}
    for number, fraction in enumerate(fractions(plan.keep)):
        cut = _read_cut(read, cut_key(plan.name, number))
        last_uid = tuple(int(np.int64(cut[half]).view(np.uint64)) for half in ("cut_uid_hi", "cut_uid_lo"))
        found[fraction] = cut_condition(fraction, cut["cut_value"], last_uid)
    return found


def stored_stage(read: Read, plan: SubsetPlan) -> Stage:
    """A subset's filters with its stored cuts, and the rows that each cut was taken of.

    Raises:
        LakeError: a takedown has emptied a cut.
    """
    populations = {
        fraction: int(str(_read_cut(read, cut_key(plan.name, number))["population"]))
        for number, fraction in enumerate(fractions(plan.keep))
    }
    return Stage(plan.name, plan.source, plan.keep, with_cuts(plan.keep, read_cuts(read, plan)), populations)


def cut_condition(fraction: Fraction, value: float | None, last_uid: tuple[int, int]) -> Condition:
    """The condition that a fraction means once its last row is known; without one nothing passes."""
    comparison, nothing = (">=", np.inf) if fraction.keep == "high" else ("<=", -np.inf)
    return Condition(fraction.column, comparison, nothing if value is None else value, last_uid)


def _read_cut(read: Read, key: Key) -> dict[str, object]:
    """The one row of a cut.

    Raises:
        LakeError: there is none, since it was the uid of a sample that was taken down.
    """
    rows = read(key, None).to_pylist()
    if len(rows) != 1:
        raise LakeError(f"{'/'.join(key)} has {len(rows)} rows instead of one: a takedown emptied it; run curate apply")
    return rows[0]


def _positions(have: np.ndarray, wanted: np.ndarray, name: str) -> pa.Array:
    """Where each wanted row stands in a table that is sorted by row.

    Raises:
        LakeError: a row is missing there.
    """
    at = np.searchsorted(have, wanted)
    if len(wanted) and (at.max(initial=0) >= len(have) or not np.array_equal(have[at], wanted)):
        raise LakeError(f"{name} lacks rows that its subset reads; materialize {name} again")
    return pa.array(at)
