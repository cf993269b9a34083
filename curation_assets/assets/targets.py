"""Target sets: the pictures of a folder, embedded once, that show what the training set is for."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.algorithms.vectors import from_binary, to_binary
from curation_assets.algorithms.word_list import read_word_list
from curation_assets.errors import RecipeError
from curation_assets.holdings.project import Project
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.recipe_sections import Target
from curation_assets.tables import Key
from resources.clip import ClipEncoder
from resources.decode import ImageBytes
from resources.delta import Lake

from .batch import run_steps
from .catalogue import asset_spec, check_spec, most_frequent
from .checks import unit_norm
from .encoder import LoadedEncoder, recorded_encoder
from .given import given_targets
from .step import Made, Step

Log = Callable[[str], None]
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


def target_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """One asset per target set of the recipe."""
    return [_target(("targets", name), target, recipe, graph) for name, target in recipe.file.targets.items()]


def _target(key: Key, target: Target, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    made_of, path = _MADE_OF[target.kind], recipe.folder / target.path

    @dg.multi_asset(
        name="__".join(key),
        specs=[asset_spec(graph[key], f"CLIP vectors of the target set `{key[-1]}`: {target.kind}.")],
        check_specs=[check_spec(key, "unit_norm", "every vector is finite and of L2 norm 1", graph)],
        pool="gpu",
    )
    def target_set(context: dg.AssetExecutionContext, lake: Lake, clip: dg.ResourceParam[ClipEncoder]):
        def make(step: Step) -> list[Made]:
            needed = None if target.kind == "vectors" else recorded_encoder(step, clip)
            columns = made_of(path, target, needed, context.log.info)
            draft = step.draft(key, columns, {"rows_made": len(columns["reason"])})
            metadata = {"not_embedded": most_frequent(reason_counts(columns["reason"].to_pylist()))}
            vectors = from_binary(draft.table["target_embedding"].drop_null(), "<f2")
            return [Made(draft, metadata, [unit_norm(key, {"target_embedding": vectors})])]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return target_set


def _of_vectors(path: Path, target: Target, encoder: LoadedEncoder | None, log: Log) -> dict[str, pa.Array]:
    return given_targets(path)


def _of_names(path: Path, target: Target, encoder: LoadedEncoder | None, log: Log) -> dict[str, pa.Array]:
    """Class names, as captions of pictures that show one."""
    names = read_word_list(path)
    vectors, errors = encoder.encode_texts([target.prompt.replace("{}", name) for name in names], log)
    return {
        "target_file": pa.array([path.name] * len(names)),
        "target_class": pa.array(names),
        "target_sha256": pa.array([hashlib.sha256(name.encode()).digest() for name in names]),
        "target_embedding": to_binary(vectors, "<f2", np.equal(errors, None)),
        "reason": pa.array(errors, pa.string()),
    }


def _of_pictures(path: Path, target: Target, encoder: LoadedEncoder | None, log: Log) -> dict[str, pa.Array]:
    columns = _pictures(path)
    places = [ImageBytes(str(path / name), 0, size) for name, size in columns.pop("sizes")]
    encoded = encoder.encode(places, [""] * len(places), log)
    vectors = to_binary(encoded.image_embedding, "<f2", np.equal(encoded.errors, None))
    return {**columns, "target_embedding": vectors, "reason": pa.array(encoded.errors, pa.string())}


_MADE_OF = {"vectors": _of_vectors, "names": _of_names, "pictures": _of_pictures}


def _pictures(folder: Path) -> dict[str, object]:
    """Columns of the pictures below a folder, in the order of their paths; `sizes` are the paths with their lengths.

    Raises:
        RecipeError: there is no such folder, or no picture in it.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not paths:
        raise RecipeError(f"targets: no picture ({', '.join(sorted(_SUFFIXES))}) below {folder}; give a folder with some")
    names = [path.relative_to(folder) for path in paths]
    return {
        "target_file": pa.array([name.as_posix() for name in names]),
        "target_class": pa.array(["" if name.parent == Path() else name.parent.as_posix() for name in names]),
        "target_sha256": pa.array([hashlib.sha256(path.read_bytes()).digest() for path in paths]),
        "sizes": [(name.as_posix(), path.stat().st_size) for name, path in zip(names, paths, strict=True)],
    }
