"""Vectors that the user brings: centroids, or a target set's features, as .npy files."""

from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.vectors import to_binary
from curation_assets.errors import RecipeError
from curation_assets.holdings.project import Project
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.recipe_sections import Clusters
from curation_assets.tables import Key
from resources.delta import Lake

from .batch import run_steps
from .catalogue import asset_spec
from .step import Made, Step


def given_centroids(key: Key, settings: Clusters, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    """Centroids from a file: of norm 1 for assignment by cosine, as they are for assignment by inner product."""

    @dg.multi_asset(name=key[0], specs=[asset_spec(graph[key], f"Centroids of the file {settings.given}.")])
    def centroids(context: dg.AssetExecutionContext, lake: Lake):
        def make(step: Step) -> list[Made]:
            vectors = given_vectors(recipe.folder / str(settings.given), asked=f"{key[0]}: given")
            norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
            if not norms.all():
                raise RecipeError(f"{settings.given}: centroid {int(norms.argmin())} is zero; it has no direction")
            columns = {
                "centroid_id": np.arange(len(vectors), dtype=np.int32),
                "centroid": to_binary(vectors if settings.assignment == "inner_product" else vectors / norms, "<f4"),
                "training_samples": np.zeros(len(vectors), np.int64),
            }
            return [Made(step.draft(key, columns, {"rows_made": len(vectors)}), {"clusters": len(vectors)})]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return centroids


def given_targets(path: Path) -> dict[str, pa.Array]:
    """Columns of a target set whose vectors a file holds; they are brought to norm 1.

    Raises:
        RecipeError: the file holds no vectors, or a vector is zero.
    """
    vectors = given_vectors(path, asked="targets")
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    reasons = [None if norm else "the vector is zero" for norm in norms[:, 0]]
    unit = np.divide(vectors, norms, out=np.zeros(vectors.shape), where=norms > 0)
    return {
        "target_file": pa.array([f"{path.name}[{row}]" for row in range(len(vectors))]),
        "target_class": pa.array([""] * len(vectors)),
        "target_sha256": pa.array([b""] * len(vectors)),
        "target_embedding": to_binary(unit, "<f2", norms[:, 0] > 0),
        "reason": pa.array(reasons, pa.string()),
    }


def given_vectors(path: Path, asked: str) -> np.ndarray:
    """A matrix of vectors, float32, shape (n, d).

    Raises:
        RecipeError: there is no such file, it is no .npy file of a matrix of floats, or a number is not finite.
    """
    try:
        matrix = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise RecipeError(f"{asked}: cannot read {path}: {error}; give a .npy file of a matrix") from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind != "f" or not matrix.size:
        found = getattr(matrix, "shape", type(matrix).__name__)
        raise RecipeError(f"{asked}: {path} holds {found}; expected a float matrix of shape (n, d)")
    vectors = np.ascontiguousarray(matrix, np.float32)
    if not np.isfinite(vectors).all():
        raise RecipeError(f"{asked}: {path} has numbers that are not finite")
    return vectors
