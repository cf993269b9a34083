"""Scores of whole clusters, or of the whole pool: they span shards, so all are made together, and only what changed anew.

A score that can is given the former values of a cluster to which rows were only added, and looks at pairs with a new row
alone. To a score of the whole pool, the pool is one cluster.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.measurement import IS_NEW, measure
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.holdings.project import Project
from curation_assets.nodes import Graph, assignments_of
from curation_assets.recipe import Recipe
from curation_assets.spec import Score
from curation_assets.tables import Key
from resources.delta import Lake

from .catalogue import most_frequent
from .checks import alignment, bounds
from .reuse import Reuse, find_reusable
from .score_columns import bound_score, columns_by_owner, score_asset, score_inputs, summaries
from .step import Made, Step
from .together import run_together

_POOL: Key = ("raw_pool",)
# Rows of clusters that are held with their vectors at once (512 float32: 0.5 GB); a larger cluster is held alone.
_MOST_ROWS = 262_144
Columns = dict[str, pa.Array]


@dataclass(frozen=True)
class _Shard:
    """A shard's rows: their cluster, int64 with -1 for none, and what is known of their former inputs and scores."""

    cluster: np.ndarray
    reuse: Reuse


@dataclass(frozen=True)
class _Clusters:
    """All clusters: rows of each, whether a row is new, changed or gone (it is measured again), and whether none is gone."""

    shards: Mapping[str, _Shard]
    sizes: np.ndarray
    is_changed: np.ndarray
    is_grown: np.ndarray

    def due(self, shard: str) -> np.ndarray:
        """Where a shard has rows of clusters that are measured again; bool."""
        cluster = self.shards[shard].cluster
        return np.append(self.is_changed, False)[cluster]

    def pairs(self, shard: str, has_update: bool) -> int:
        """Pairs that are compared for the rows of a shard: those of a cluster, shared out evenly among its rows."""
        fresh = [found.cluster[(found.reuse.at < 0) & (found.cluster >= 0)] for found in self.shards.values()]
        new = np.bincount(np.concatenate(fresh), minlength=len(self.sizes))
        old = np.where(self.is_grown & has_update, self.sizes - new, 0)
        compared = self.sizes * (self.sizes - 1) // 2 - old * (old - 1) // 2
        return round((compared / np.maximum(self.sizes, 1))[self.shards[shard].cluster[self.due(shard)]].sum())


def gathering_score_asset(key: Key, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    """The asset of a score whose scope is a cluster, or the pool."""
    name = key[-1]

    @score_asset(key, graph)
    def asset(context: dg.AssetExecutionContext, lake: Lake):
        def make(step: Step) -> list[Made]:
            score, clusters = bound_score(step), _look(step)
            rows, count = int(clusters.sizes[clusters.is_changed].sum()), int(clusters.is_changed.sum())
            context.log.info(f"{name}: {rows:,} rows in {count:,} of {len(clusters.sizes):,} clusters measured")
            columns = _measured(step, score, clusters)
            return [_made(step, score, clusters, (shard, columns[shard])) for shard in step.shards]

        yield from run_together(context, Project(recipe, graph, lake), key, make)

    return asset


def _look(step: Step) -> _Clusters:
    """Where the rows are, and which clusters have to be measured again."""
    read = columns_by_owner(step)
    is_pool, assignments = step.node.instance.method.scope == "pool", assignments_of(step.node.instance)
    if not is_pool:
        read[assignments] = list(dict.fromkeys(["cluster_id", *read.get(assignments, [])]))
    shards = {}
    for shard in step.shards:
        rows = step.read(_POOL if is_pool else assignments, ["row" if is_pool else "cluster_id"], shard)
        cluster = np.zeros(len(rows), np.int64) if is_pool else rows["cluster_id"].fill_null(-1).to_numpy().astype(np.int64)
        shards[shard] = _Shard(cluster, find_reusable(step, read, shard))
    k = 1 + max((int(found.cluster.max(initial=-1)) for found in shards.values()), default=-1)
    sizes, is_changed, has_lost = np.zeros(k, np.int64), np.zeros(k, bool), np.zeros(k, bool)
    for found in shards.values():
        sizes += np.bincount(found.cluster[found.cluster >= 0], minlength=k)
        fresh = found.cluster[found.reuse.at < 0]
        is_changed[fresh[fresh >= 0]] = True
        left = _left(found.reuse, None if is_pool else assignments)
        has_lost[left[left < k]] = True
    records = step.state.records[step.node.key]
    if any(records.get(shard, {}).get("rows") and not found.reuse.former_inputs for shard, found in shards.items()):
        has_lost[:] = True  # where rows have been is not known any more, so they may have left any cluster
    return _Clusters(shards, sizes, (is_changed | has_lost) & (sizes > 0), ~has_lost)


def _left(reuse: Reuse, assignments: Key | None) -> np.ndarray:
    """Clusters that a shard's rows were in when they were measured, and that they have left or come back to changed."""
    if not reuse.former_inputs:
        return np.zeros(0, np.int64)
    rows = next(iter(reuse.former_inputs.values()))
    is_gone = np.ones(len(rows), bool)
    is_gone[reuse.at[reuse.at >= 0]] = False
    if assignments is None:
        return np.zeros(int(is_gone.sum()), np.int64)
    return reuse.former_inputs[assignments]["cluster_id"].filter(pa.array(is_gone)).drop_null().to_numpy()


def _measured(step: Step, score: Score, clusters: _Clusters) -> dict[str, Columns]:
    """The score's columns of every shard, in row order: measured again, taken over, or NULL for rows without a cluster."""
    fresh: dict[str, list[tuple[np.ndarray, Columns]]] = {shard: [] for shard in clusters.shards}
    for chosen in _groups(clusters):
        for shard, at, columns in _group(step, score, clusters, chosen):
            fresh[shard].append((at, columns))
    for shard, found in clusters.shards.items():
        at = np.flatnonzero(found.cluster < 0)
        fresh[shard].append((at, _without_cluster(step, score, shard, at)))
        kept = np.flatnonzero((found.cluster >= 0) & ~clusters.due(shard))
        if len(kept):
            former = found.reuse.former.take(found.reuse.at[kept])
            fresh[shard].append((kept, {name: former[name].combine_chunks() for name in former.column_names}))
    return {shard: _in_row_order(parts) for shard, parts in fresh.items()}


def _without_cluster(step: Step, score: Score, shard: str, at: np.ndarray) -> Columns:
    """NULL columns for rows that are in no cluster, with the reason of that; a pool has no such rows."""
    nothing = {column.name: pa.nulls(len(at), column.type) for column in score.columns}
    if not len(at):
        return {**nothing, "reason": pa.nulls(0, pa.string())}
    reasons = step.read(assignments_of(step.node.instance), ["reason"], shard)["reason"].combine_chunks().take(pa.array(at))
    return {**nothing, "reason": reasons.fill_null("the row is in no cluster")}


def _groups(clusters: _Clusters) -> Iterator[np.ndarray]:
    """Clusters to measure, as many at a time as may be held; a bool mask over all clusters."""
    due = np.flatnonzero(clusters.is_changed)
    group = np.cumsum(clusters.sizes[due]) // _MOST_ROWS
    for number in np.unique(group):
        chosen = np.zeros(len(clusters.sizes), bool)
        chosen[due[group == number]] = True
        yield chosen


def _group(step: Step, score: Score, clusters: _Clusters, chosen: np.ndarray) -> Iterator[tuple[str, np.ndarray, Columns]]:
    """Measure some clusters; gives, by shard, positions of rows and their columns."""
    tables, formers, cluster, shard_of, position = [], [], [], [], []
    names = list(clusters.shards)
    for i, shard in enumerate(names):
        at = np.flatnonzero(np.append(chosen, False)[clusters.shards[shard].cluster])
        if len(at):
            tables.append(score_inputs(step, shard).take(at))
            formers.append(_former(score, clusters.shards[shard].reuse, at))
            cluster.append(clusters.shards[shard].cluster[at])
            shard_of.append(np.full(len(at), i))
            position.append(at)
    rows, former, cluster_of = _joined(tables), _joined(formers), np.concatenate(cluster)
    order = np.argsort(cluster_of, kind="stable")
    ends = np.flatnonzero(np.diff(cluster_of[order])) + 1
    parts = []
    for members in np.split(order, ends):
        own = rows.take(members)
        is_grown = score.update is not None and clusters.is_grown[cluster_of[members[0]]] and not _has_uid_twice(own)
        parts.append(_compute(score, own, former.take(members) if is_grown else None))
    columns = {name: pa.concat_arrays([part[name] for part in parts]) for name in parts[0]}
    places, shard_at = np.concatenate(position)[order], np.concatenate(shard_of)[order]
    for i in np.unique(shard_at):
        here = np.flatnonzero(shard_at == i)
        yield names[i], places[here], {name: column.take(pa.array(here)) for name, column in columns.items()}


def _has_uid_twice(rows: pa.Table) -> bool:
    """Whether a uid stands for two rows, as it may in two shards; then former results, which name uids, say too little."""
    uid = np.stack([rows[half].to_numpy() for half in ("uid_hi", "uid_lo")], axis=1)
    uid = uid[np.lexsort(uid.T)]
    return bool((uid[1:] == uid[:-1]).all(axis=1).any())


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Tables below each other, in one piece; the pieces are let go one column after the other, since vectors are large."""
    return pa.concat_tables(tables).combine_chunks()


def _former(score: Score, reuse: Reuse, at: np.ndarray) -> pa.Table:
    """The stored columns of rows as they were, NULL for new rows, and whether a row is new."""
    places, is_new = reuse.at[at], pa.array(reuse.at[at] < 0)
    chosen = pa.array(places, mask=places < 0)
    known = {
        c.name: pa.nulls(len(at), c.type) if reuse.former is None else reuse.former[c.name].take(chosen) for c in score.columns
    }
    return pa.table({**known, IS_NEW: is_new})


def _compute(score: Score, inputs: pa.Table, former: pa.Table | None = None) -> Columns:
    """The score of the rows of one cluster, or of rows that cannot have one."""
    columns = {name: inputs[name].combine_chunks() for name in inputs.column_names}
    known = None
    if former is not None and not all(former[IS_NEW].to_pylist()):
        known = {name: former[name].combine_chunks() for name in former.column_names}
    return measure(score, {name: columns[name] for name in score.inputs}, columns.get("reason"), known)


def _in_row_order(parts: list[tuple[np.ndarray, Columns]]) -> Columns:
    order = pa.array(np.argsort(np.concatenate([at for at, _ in parts]), kind="stable"))
    return {name: pa.concat_arrays([columns[name] for _, columns in parts]).take(order) for name in parts[0][1]}


def _made(step: Step, score: Score, clusters: _Clusters, shard_columns: tuple[str, Columns]) -> Made:
    shard, columns = shard_columns
    key, pool_row = step.node.key, step.read(_POOL, ["row"], shard)["row"]
    rows = int(clusters.due(shard).sum())
    facts = {"rows_made": rows, "rows_reused": len(pool_row) - rows, "pairs": clusters.pairs(shard, score.update is not None)}
    draft = step.draft(key, {"row": pool_row, **columns}, facts, shard=shard)
    checks = [alignment(key, draft.table["row"], pool_row), bounds(key, score.columns, columns)]
    metadata = {"not_measured": most_frequent(reason_counts(columns["reason"].to_pylist())), **facts}
    return Made(draft, metadata, checks, pictures=lambda: summaries(score, columns))
