"""The bare functions of benchmarks/change.py: all that a full run computes, on arrays in memory, and nothing else.

No Dagster, no Delta, no digests, no checks, no pictures: the score functions, k-means, cuts and decisions of the product,
and the Arrow columns that they are given and that would be stored.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from change_pool import DrawnEncoder, drawing, drawn_shard

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.algorithms.measurement import measure
from curation_assets.algorithms.order_statistics import streamed_cut
from curation_assets.algorithms.preference import preference
from curation_assets.algorithms.sampling import automatic_clusters, keyed_sample, share_distance
from curation_assets.algorithms.vectors import from_binary, to_binary
from curation_assets.assets import clusters, pool, subsets
from curation_assets.graph import build_graph
from curation_assets.keep import fractions, leaves, with_cuts
from curation_assets.recipe import Recipe, SubsetPlan
from curation_assets.scores import all_scores
from curation_assets.spec import Condition, Fraction, Score
from resources.decode import ImageBytes
from resources.kmeans import KMeans


@dataclass
class Shard:
    """Columns of one shard by name; `kept` has the positions of each subset's rows."""

    columns: dict[str, pa.Array]
    uid_hi: np.ndarray
    uid_lo: np.ndarray
    kept: dict[str | None, np.ndarray]


class Bare:
    """A full run of a recipe, step by step; `seconds` says what each took, without the time to draw the pool."""

    def __init__(self, recipe: Recipe) -> None:
        self.seconds: dict[str, float] = {}
        self._recipe = recipe
        settings = recipe.file.clusters
        self._kmeans = KMeans(iterations=settings.iterations, seed=settings.seed)

    def run(self, tars: list[Path], dimensions: int) -> list[Shard]:
        """Everything, in the order of the pipeline; what would be stored stays in memory."""
        encoder = DrawnEncoder(dimensions)
        shards = [self._read(tar, encoder) for tar in tars]
        self._cluster(shards)
        for key in build_graph(self._recipe):
            if key[0] == "scores":
                with self._timed("/".join(key)):
                    score = all_scores()[key[1]]
                    _measure_clusters(score, shards) if score.scope == "cluster" else _measure_samples(score, shards)
        for plan in self._recipe.subsets:
            self._narrow(plan, shards)
        return shards

    def _read(self, tar: Path, encoder: DrawnEncoder) -> Shard:
        with self._timed("raw_pool"):
            contents = drawn_shard(tar)
            columns = {
                name: pa.array(values)
                for name, values in pool._pool_columns(contents, self._recipe.file.pool, tar.name).items()
            }
            pool._rejected_columns(contents)
        with self._timed("embeddings"):
            places = zip(contents.kept["offset_bytes"], contents.kept["image_bytes"], strict=True)
            encoded = encoder.encode([ImageBytes(str(tar), *place) for place in places], contents.kept["text"], print)
            is_measured = np.array([error is None for error in encoded.errors])
            columns["image_embedding"] = to_binary(encoded.image_embedding, "<f2", is_measured)
            columns["text_embedding"] = to_binary(encoded.text_embedding, "<f2", is_measured)
            columns["reason"] = pa.array(encoded.errors, pa.string())
        uid_hi, uid_lo = columns["uid_hi"].to_numpy(), columns["uid_lo"].to_numpy()
        return Shard(columns, uid_hi, uid_lo, {None: np.arange(len(uid_hi))})

    def _cluster(self, shards: list[Shard]) -> None:
        settings = self._recipe.file.clusters
        with self._timed("centroids"):
            measured = [_valid(shard.columns["image_embedding"]) for shard in shards]
            k = automatic_clusters(sum(map(len, measured))) if settings.k == "auto" else settings.k
            vectors = _training_vectors(shards, measured, k * settings.samples_per_centroid, settings.seed)
            centroid, fitted = self._kmeans.fit(vectors, k)
        with self._timed("cluster_assignments"):
            for shard in shards:
                embeddings = pa.table({name: shard.columns[name] for name in ("image_embedding", "reason")})
                found = clusters._assigned(embeddings, centroid, self._kmeans)
                shard.columns |= {name: found[name] for name in ("cluster_id", "centroid_similarity")}
                near = (shard.columns["centroid_similarity"].to_numpy(zero_copy_only=False),)
                shard.columns["preference"] = pa.array(preference("hard", near, 0), from_pandas=True)
        with self._timed("cluster_drift"):
            ids = np.concatenate([shard.columns["cluster_id"].drop_null().to_numpy() for shard in shards])
            share_distance(np.bincount(ids, minlength=len(fitted)), fitted)

    def _narrow(self, plan: SubsetPlan, shards: list[Shard]) -> None:
        cuts = {}
        for number, fraction in enumerate(fractions(plan.keep), 1):
            with self._timed(f"cuts/{plan.name}/cut_{number}"):
                cuts[fraction] = _cut(fraction, plan, shards)
        keep = with_cuts(plan.keep, cuts)
        names = {condition.column for leaf in leaves(keep) for condition in leaf.conditions}
        with self._timed(f"subsets/{plan.name}"):
            for shard in shards:
                at = shard.kept[plan.source]
                columns = {name: shard.columns[name].take(pa.array(at)) for name in names}
                decisions = decide(keep, Rows(columns, shard.uid_hi[at], shard.uid_lo[at]))
                shard.columns |= {f"{plan.name} {name}": c for name, c in subsets.ledger_columns(decisions).items()}
                shard.kept[plan.name] = at[decisions.is_kept]

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began, drawn = time.perf_counter(), drawing.wall_s
        yield
        spent = time.perf_counter() - began - (drawing.wall_s - drawn)
        self.seconds[name] = self.seconds.get(name, 0.0) + spent


def _measure_samples(score: Score, shards: list[Shard]) -> None:
    for shard in shards:
        inputs = {name: shard.columns[name] for name in score.inputs}
        has_reason = bool({"image_embedding", "centroid_similarity"} & set(inputs))
        shard.columns |= _without_reason(measure(score, inputs, shard.columns["reason"] if has_reason else None))


def _measure_clusters(score: Score, shards: list[Shard]) -> None:
    """Cluster by cluster, gathered from all shards, and back to the rows of each."""
    rows = pa.concat_tables([pa.table({name: s.columns[name] for name in ("cluster_id", *score.inputs)}) for s in shards])
    rows = rows.combine_chunks()
    cluster = rows["cluster_id"].fill_null(-1).to_numpy()
    order = np.argsort(cluster, kind="stable")
    found = []
    for members in np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1):
        inputs = rows.take(pa.array(members))
        found.append(measure(score, {name: inputs[name].combine_chunks() for name in score.inputs}))
    back = np.argsort(order, kind="stable")
    ends = np.cumsum([len(shard.uid_hi) for shard in shards])
    for name in (column.name for column in score.columns):
        column = pa.concat_arrays([part[name] for part in found]).take(pa.array(back))
        for shard, end in zip(shards, ends, strict=True):
            shard.columns[name] = column.slice(end - len(shard.uid_hi), len(shard.uid_hi))


def _without_reason(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    return {name: column for name, column in columns.items() if name != "reason"}


def _valid(column: pa.Array) -> np.ndarray:
    return np.flatnonzero(pc.is_valid(column).to_numpy(zero_copy_only=False))


def _training_vectors(shards: list[Shard], measured: list[np.ndarray], size: int, seed: int) -> np.ndarray:
    """The training sample of the centroids, in uid order."""
    uid_hi = np.concatenate([shard.uid_hi[at] for shard, at in zip(shards, measured, strict=True)])
    uid_lo = np.concatenate([shard.uid_lo[at] for shard, at in zip(shards, measured, strict=True)])
    number = np.repeat(np.arange(len(shards)), [len(at) for at in measured])
    position = np.concatenate(measured)
    chosen = keyed_sample(uid_hi, uid_lo, size, seed=seed, method="centroids")
    vectors: np.ndarray | None = None
    for i, shard in enumerate(shards):
        here = np.flatnonzero(number[chosen] == i)
        if not len(here):
            continue
        rows = from_binary(shard.columns["image_embedding"].take(pa.array(position[chosen[here]])), "<f2")
        vectors = np.empty((len(chosen), rows.shape[1]), np.float32) if vectors is None else vectors
        vectors[here] = rows
    return vectors


def _cut(fraction: Fraction, plan: SubsetPlan, shards: list[Shard]) -> Condition:
    """The condition that a fraction means, over the rows of the subset's source."""
    source = None if fraction.over == "pool" else plan.source
    population = []
    for shard in shards:
        at = shard.kept[source]
        value = shard.columns[fraction.column].take(pa.array(at)).to_numpy(zero_copy_only=False)
        population.append((value, shard.uid_hi[at], shard.uid_lo[at]))
    found = streamed_cut(lambda: population, fraction.fraction, fraction.keep)
    return Condition(fraction.column, ">=" if fraction.keep == "high" else "<=", found.value or 0.0, found.last_uid)
