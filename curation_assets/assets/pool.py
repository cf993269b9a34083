"""The raw pool: every sample of every shard, accepted or rejected with a reason."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.digest import partition_version
from curation_assets.algorithms.identity import uid_halves
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.audit.refusal import without_refused
from curation_assets.audit.tombstones import read_tombstones
from curation_assets.errors import PoolError
from curation_assets.holdings.project import Project
from curation_assets.holdings.shards import stored_path
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.recipe_sections import Pool
from curation_assets.tables import POOL_SCORES, RAW_POOL, Key
from resources.datacomp import read_datacomp
from resources.delta import Lake
from resources.image_folder import read_folder
from resources.image_parquet import ColumnNames, read_image_parquet
from resources.shard_contents import ShardContents, empty_shard
from resources.webdataset import read_shard

from .batch import run_steps
from .catalogue import asset_spec, check_spec, most_frequent
from .checks import accounting, alignment, readable, unique_uid
from .perceptual_hashes import picture_words
from .step import Draft, Made, Step

_POOL: Key = ("raw_pool",)
_REJECTED: Key = ("rejected_samples",)
_SCORES: Key = ("pool_scores",)


def pool_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """`raw_pool` and `rejected_samples`, made together in one pass over the shard; `pool_scores` where the source has them."""
    settings = recipe.file.pool
    specs = [asset_spec(graph[_POOL], _POOL_MEANING), asset_spec(graph[_REJECTED], _REJECTED_MEANING)]
    check_specs = [
        check_spec(_POOL, "accounting", "samples in the shard = accepted + rejected", graph),
        check_spec(_POOL, "unique_uid", "no uid occurs twice in the shard", graph),
        check_spec(_POOL, "readable", "the shard can be opened and read; if not, it counts as empty", graph, is_blocking=False),
    ]
    if settings.has_scores:
        specs.append(asset_spec(graph[_SCORES], _SCORES_MEANING))
        check_specs.append(check_spec(_SCORES, "alignment", "one row per row of raw_pool, in its order", graph))

    @dg.multi_asset(
        name="raw_pool",
        specs=specs,
        check_specs=check_specs,
    )
    def raw_pool(context: dg.AssetExecutionContext, lake: Lake):
        def make(step: Step) -> list[Made]:
            path = step.state.files.get(str(step.shard))
            contents, fault = (empty_shard(), "") if path is None else _contents(path, recipe, lake)
            rejected = step.draft(_REJECTED, _rejected_columns(contents))
            accepted = step.draft(_POOL, _pool_columns(contents, settings, "" if path is None else stored_path(recipe, path)))
            reasons = reason_counts(contents.rejected["reason"])
            context.log.info(f"{step.shard}: {accepted.rows:,} accepted, {rejected.rows:,} rejected {reasons}")
            checks = [
                accounting(_POOL, contents.samples_seen, accepted.rows, reasons),
                unique_uid(_POOL, accepted.table["uid_hi"].to_numpy(), accepted.table["uid_lo"].to_numpy()),
                readable(_POOL, fault),
            ]
            remarks = reason_counts(code for line in contents.kept["remarks"] for code in str(line).split(",") if code)
            metadata = {"samples_seen": contents.samples_seen, "remarks": remarks}
            stated = [_stated(step, contents, accepted)] if settings.has_scores else []
            return [Made(rejected, {"by_reason": reasons}), *stated, Made(accepted, metadata, checks)]

        yield from run_steps(context, Project(recipe, graph, lake), _POOL, make)

    return [raw_pool]


def _contents(path: Path, recipe: Recipe, lake: Lake) -> tuple[ShardContents, str]:
    """What a shard holds, without what was taken down, and why it could not be read."""
    contents, fault = _read(path, recipe.file.pool)
    tombstones = read_tombstones(lake)
    if tombstones is None:
        return contents, fault
    columns = _pool_columns(contents, recipe.file.pool, stored_path(recipe, path))
    return without_refused(contents, tombstones, lambda: picture_words(columns, recipe)), fault


def _read(path: Path, settings: Pool) -> tuple[ShardContents, str]:
    """What is in a shard, and why it cannot be read; an unreadable one is empty but for a rejected row that says so."""
    try:
        if settings.format == "datacomp":
            return read_datacomp(path, verify=settings.verify), ""
        if settings.format == "folder":
            return read_folder(path, max_image_pixels=settings.max_image_pixels, verify=settings.verify), ""
        if settings.format == "parquet":
            names = ColumnNames(*(getattr(settings, f"{name}_column") for name in ColumnNames._fields))
            return read_image_parquet(path, names, max_image_pixels=settings.max_image_pixels, verify=settings.verify), ""
        return read_shard(path, max_image_pixels=settings.max_image_pixels, verify=settings.verify), ""
    except PoolError as error:
        fault = str((error.__cause__.strerror if isinstance(error.__cause__, OSError) else None) or error)
        return empty_shard(fault), fault


def _pool_columns(contents: ShardContents, settings: Pool, file: str) -> dict[str, pa.Array | np.ndarray]:
    kept = contents.kept
    uid_hi, uid_lo = uid_halves(kept["uid"])
    columns = {name: pa.array(values) for name, values in kept.items() if name in RAW_POOL.names}
    files = [f"{file}/{key}" for key in kept["key"]] if settings.format == "folder" else [file] * len(uid_hi)
    tar = [None if offset is None else path for offset, path in zip(kept["offset_bytes"], files, strict=True)]
    return {**columns, "uid_hi": uid_hi, "uid_lo": uid_lo, "tar": pa.array(tar, pa.string())}


def _stated(step: Step, contents: ShardContents, accepted: Draft) -> Made:
    """The scores that the source states, aligned with the accepted rows; a shard that cannot be read has none."""
    columns = [column for column in POOL_SCORES.columns if column.name != "shard"]
    rows = {c.name: pa.array(contents.kept.get(c.name, []), c.type) for c in columns}
    draft = step.draft(_SCORES, rows)
    # Its rows are joined to raw_pool's by position, and raw_pool's uids are only being made.
    uids = accepted.record["uid_digest"]
    version = partition_version(draft.table, str(uids))
    aligned = replace(draft, record={**draft.record, "uid_digest": uids, "data_version": version})
    reasons = reason_counts(rows["reason"].to_pylist())
    checks = [alignment(_SCORES, aligned.table["row"], accepted.table["row"])]
    return Made(aligned, {"not_stated": most_frequent(reasons)}, checks)


def _rejected_columns(contents: ShardContents) -> dict[str, pa.Array]:
    columns = {name: pa.array(values) for name, values in contents.rejected.items()}
    columns["rejected_offset_bytes"] = columns.pop("offset_bytes")
    return columns


_POOL_MEANING = """Every usable sample of a shard: identity, caption, source, image facts and where its bytes lie.

    Image bytes stay where they are; `tar`, `offset_bytes` and `image_bytes` say where. Width and height come from the image
    header, never from the json beside it; of a pool without pixels they are what the source states. A sample is either here
    or in rejected_samples.
    """
_SCORES_MEANING = """Scores that the pool's source states, as they are: nothing here has measured them.

    One row per row of raw_pool. A value that is missing or is no cosine is NULL, with the reason.
    """
_REJECTED_MEANING = """Every sample of a shard that is not in raw_pool, with the reason.

    Broken or missing images, decompression bombs, missing or undecodable captions, malformed json, repeated uids, and the
    unread tail of a damaged tar as one row, or a shard that cannot be opened.
    """
