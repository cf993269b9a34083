"""Clusters of images: centroids from a keyed training sample, and the nearest one of every sample."""

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.labels import labelled
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.algorithms.sampling import automatic_clusters, keyed_sample, share_distance
from curation_assets.algorithms.vectors import from_binary, to_binary
from curation_assets.holdings.project import Project
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.tables import Key
from resources.delta import Lake
from resources.kmeans import KMeans

from .batch import run_steps
from .catalogue import asset_spec, check_spec, most_frequent
from .checks import alignment, unit_norm
from .given import given_centroids
from .pictures import histogram, inline
from .reuse import find_reusable
from .step import Made, Step

_CENTROIDS, _ASSIGNMENTS = "centroids", "cluster_assignments"
_DRIFT: Key = ("cluster_drift",)
_EMBEDDINGS: Key = ("embeddings",)


def cluster_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """`centroids` and `cluster_assignments` of every clustering, and `cluster_drift`."""
    made = [part(label, recipe, graph) for label in recipe.clusterings for part in (_centroids, _cluster_assignments)]
    return [*made, _cluster_drift(recipe, graph)]


def _centroids(label: str, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    settings, key = recipe.clusterings[label], labelled(_CENTROIDS, label)
    if settings.given is not None:
        return given_centroids(key, settings, recipe, graph)

    @dg.multi_asset(
        name=key[0],
        specs=[asset_spec(graph[key], _CENTROIDS_MEAN)],
        check_specs=[check_spec(key, "unit_norm", "every centroid is finite and of L2 norm 1", graph)],
        pool="gpu",
    )
    def centroids(context: dg.AssetExecutionContext, lake: Lake, kmeans: KMeans):
        fitting = KMeans(iterations=settings.iterations, seed=settings.seed, block_rows=kmeans.block_rows)

        def make(step: Step) -> list[Made]:
            uids = {shard: _measured_uids(step, shard, settings.fit_on) for shard in step.shards}
            population = sum(len(hi) for _, hi, _ in uids.values())
            k = automatic_clusters(population) if settings.k == "auto" else settings.k
            vectors = _training_vectors(step, uids, k * settings.samples_per_centroid, settings.seed)
            context.log.info(f"k-means of {len(vectors):,} of {population:,} image embeddings into {k:,} clusters")
            centroid, members = fitting.fit(vectors, k)
            columns = {
                "centroid_id": np.arange(len(centroid), dtype=np.int32),
                "centroid": to_binary(centroid, "<f4"),
                "training_samples": members,
            }
            metadata = {
                "clusters": len(centroid),
                "population": population,
                "training_samples": len(vectors),
                "cluster_sizes": inline(histogram(members), "training samples per cluster"),
            }
            draft = step.draft(key, columns, {"rows_made": population})
            return [Made(draft, metadata, [unit_norm(key, {"centroid": centroid})])]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return centroids


def _cluster_assignments(label: str, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    key = labelled(_ASSIGNMENTS, label)

    @dg.multi_asset(
        name=key[0],
        specs=[asset_spec(graph[key], _ASSIGNMENTS_MEAN)],
        check_specs=[check_spec(key, "alignment", "one row per row of raw_pool, in its order", graph)],
        pool="gpu",
    )
    def cluster_assignments(context: dg.AssetExecutionContext, lake: Lake, kmeans: KMeans):
        def make(step: Step) -> list[Made]:
            embeddings = step.read(_EMBEDDINGS, ["row", "image_embedding", "reason"])
            centroid = from_binary(step.read(labelled(_CENTROIDS, label))["centroid"], "<f4")
            reuse = find_reusable(step, {_EMBEDDINGS: ["image_embedding", "reason"]})
            columns = reuse.completed(lambda fresh: _assigned(embeddings.take(fresh), centroid, kmeans))
            draft = step.draft(key, {"row": embeddings["row"], **columns}, reuse.facts)
            context.log.info(f"{key[0]}[{step.shard}]: {reuse.summary}, {len(centroid):,} clusters")
            metadata = {
                "not_measured": most_frequent(reason_counts(embeddings["reason"].to_pylist())),
                **reuse.facts,
            }
            checks = [alignment(key, draft.table["row"], step.read(("raw_pool",), ["row"])["row"])]
            return [Made(draft, metadata, checks, pictures=lambda: _similarity_picture(columns["centroid_similarity"]))]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return cluster_assignments


def _assigned(embeddings: pa.Table, centroid: np.ndarray, kmeans: KMeans) -> dict[str, pa.Array]:
    """Columns of cluster_assignments for rows of embeddings."""
    is_measured = pc.is_valid(embeddings["image_embedding"]).to_numpy(zero_copy_only=False)
    cluster_id = np.zeros(len(embeddings), np.int32)
    similarity = np.zeros(len(embeddings), np.float32)
    reasons = embeddings["reason"].combine_chunks()
    if not len(centroid):
        reasons, is_measured = pc.fill_null(reasons, "the clustering has no clusters"), np.zeros(len(embeddings), bool)
    if is_measured.any():
        vectors = from_binary(embeddings["image_embedding"].filter(pa.array(is_measured)), "<f2")
        cluster_id[is_measured], similarity[is_measured] = kmeans.assign(vectors, centroid)
    return {
        "cluster_id": pa.array(cluster_id, mask=~is_measured),
        "centroid_similarity": pa.array(similarity, mask=~is_measured),
        "reason": reasons,
    }


def _similarity_picture(similarity: pa.Array) -> dict[str, object]:
    return {"similarity": inline(histogram(similarity.drop_null().to_numpy()), "cosine similarity to the centroid")}


def _cluster_drift(recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    @dg.multi_asset(name="cluster_drift", specs=[asset_spec(graph[_DRIFT], _DRIFT_MEANS)])
    def cluster_drift(context: dg.AssetExecutionContext, lake: Lake):
        def make(step: Step) -> list[Made]:
            fitted = step.read((_CENTROIDS,), ["training_samples"])["training_samples"].to_numpy()
            members, total = np.zeros(len(fitted), np.int64), 0.0
            for shard in step.shards:
                rows = step.read((_ASSIGNMENTS,), ["cluster_id", "centroid_similarity"], shard).drop_null()
                members += np.bincount(rows["cluster_id"].to_numpy(), minlength=len(fitted))
                total += float(rows["centroid_similarity"].to_numpy().sum(dtype=np.float64))
            found, samples = share_distance(members, fitted), int(members.sum())
            columns = {
                "drift": pa.array([found]),
                "drift_samples": pa.array([samples]),
                "fitted_samples": pa.array([int(fitted.sum())]),
                "mean_similarity": pa.array([total / samples if samples else None], pa.float64()),
            }
            context.log.info(f"cluster_drift: {found:.4f} over {samples:,} samples")
            metadata = {name: column[0].as_py() for name, column in columns.items() if column[0].is_valid}
            return [Made(step.draft(_DRIFT, columns, {"drift": found, "rows_made": samples}), metadata)]

        yield from run_steps(context, Project(recipe, graph, lake), _DRIFT, make)

    return cluster_drift


def _measured_uids(step: Step, shard: str, subset: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions and uids of a shard's rows that have an image embedding and are in the subset, if there is one."""
    rows = step.read(_EMBEDDINGS, ["row", "reason"], shard)
    is_wanted = pc.is_null(rows["reason"]).to_numpy()
    if subset is not None:
        is_wanted &= np.isin(rows["row"].to_numpy(), step.read(("subsets", subset), ["row"], shard)["row"].to_numpy())
    position = np.flatnonzero(is_wanted)
    uid = step.read(("raw_pool",), ["uid_hi", "uid_lo"], shard)
    return position, uid["uid_hi"].to_numpy()[position], uid["uid_lo"].to_numpy()[position]


def _training_vectors(
    step: Step, uids: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], size: int, seed: int
) -> np.ndarray:
    """The training sample in uid order, read shard by shard; only the sample is held in memory."""
    shard_number = np.concatenate([np.full(len(hi), i) for i, (_, hi, _) in enumerate(uids.values())])
    position, hi, lo = (np.concatenate([part[i] for part in uids.values()]) for i in range(3))
    chosen = keyed_sample(hi, lo, size, seed=seed, method="centroids")
    vectors: np.ndarray | None = None
    for i, shard in enumerate(uids):
        here = np.flatnonzero(shard_number[chosen] == i)
        if not len(here):
            continue
        column = step.read(_EMBEDDINGS, ["image_embedding"], shard)["image_embedding"]
        rows = from_binary(column.take(pa.array(position[chosen[here]])), "<f2")
        vectors = np.empty((len(chosen), rows.shape[1]), np.float32) if vectors is None else vectors
        vectors[here] = rows
    return np.zeros((0, 0), np.float32) if vectors is None else vectors


_CENTROIDS_MEAN = """Directions that the pool's images gather around: spherical k-means over image embeddings.

    Trained on a sample drawn by keyed hash of the uid, at most `samples_per_centroid` per cluster. With `k: auto` the number
    of clusters is the square root of the number of samples. When they are fitted again: `policy`.
    """
_ASSIGNMENTS_MEAN = """Nearest centroid of every image, and the cosine similarity to it.

    One row per row of raw_pool; NULL, with the reason, where there is no embedding.
    """
_DRIFT_MEANS = """How far the pool has moved away from the centroids: the share of samples that changed cluster since the fit.

    Half the L1 distance between the clusters' shares of the training sample and of all samples now. With few training samples
    per centroid it is above 0 even of an unchanged pool, by about 0.4 / sqrt(samples_per_centroid).
    """
