"""Publishing: a subset as it is becomes a dataset version that nothing changes any more.

The version is built beside its place and moved there in one step, so that a killed publication leaves nothing that could be
taken for a version. Its tables share their files with the live ones.
"""

import hashlib
import json
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.digest import json_digest, table_digest
from curation_assets.algorithms.identity import uid_order
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.audit_tables import DATASET, MEMBERS
from curation_assets.errors import LakeError
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State, read_state
from curation_assets.holdings.status import pool_funnel, subset_funnels
from curation_assets.keep import describe
from curation_assets.recipe_override import subset_chain
from curation_assets.tables import Key
from resources.delta import Lake, Part
from resources.frozen_table import freeze

from .versions import MANIFEST, Version, dataset_folder, find_version, leaves_digest, require_subset, uid_leaves, versions
from .versions import MEMBERS as MEMBERS_TABLE

_POOL: Key = ("raw_pool",)
_VECTORS = {"image_embedding", "text_embedding", "target_embedding", "centroid"}
_PACKAGES = ("dagster", "deltalake", "pyarrow", "numpy", "torch", "open_clip_torch", "faiss-cpu", "faiss-gpu", "pillow")


def publish(project: Project, subset: str, note: str = "", run_id: str = "") -> tuple[Version, bool]:
    """Publish a subset, unless its newest version has the same rows with the same content.

    Args:
        project: recipe, graph and lake; the lake on a local disk.
        subset: name in the recipe.
        note: for people, kept in the manifest.
        run_id: Dagster run that publishes it, if one does.

    Returns:
        The version, and whether it is new.

    Raises:
        ArgumentError: unknown subset.
        LakeError: the subset is missing, out of date or failed a check, or the lake is not on a local disk.
    """
    require_subset(project, subset)
    folder = dataset_folder(project, subset)
    with project.lake.lock(f"publish-{subset}"):
        state = read_state(project)
        keys = lineage(state, subset)
        _require_fresh(state, keys, subset)
        _register(project, subset)  # a version that a killed publication left unregistered
        former = [found for found in versions(project) if found.dataset == subset]
        members = _members(state, subset)
        digests = content_digests(members)
        if former and former[-1].manifest["content_digest"] == json_digest(digests):
            return former[-1], False
        number = former[-1].number + 1 if former else 1
        facts = {"dataset": subset, "version": number, "note": note, "run_id": run_id, "rows": len(members)}
        facts |= {"published_at": datetime.now(UTC).isoformat(timespec="seconds"), "content_digest": json_digest(digests)}
        manifest = {**facts, **digests, **_circumstances(state, keys, subset), "licences": licences(members)}
        _build(state, keys, members, (folder, number, manifest))
        _register(project, subset)
    return find_version(project, subset, number), True


def lineage(state: State, subset: str) -> list[Key]:
    """What a subset is made from, and the subset; without what holds vectors, which are large and decide nothing."""
    graph, wanted = state.project.graph, {("subsets", subset), ("decisions", subset), ("rejected_samples",)}
    for node in reversed(graph.values()):
        wanted |= {*node.inputs} if node.key in wanted else set()
        wanted |= {("decisions", *node.key[1:])} if node.key in wanted and node.key[0] == "subsets" else set()
    return [key for key, node in graph.items() if key in wanted and not _VECTORS & set(node.table.names)]


def content_digests(members: pa.Table) -> dict[str, object]:
    """Digests of a version's content: of its uids in ascending order, and of every column."""
    leaves = uid_leaves(members["uid_hi"].to_numpy(), members["uid_lo"].to_numpy())
    return {"uid_digest": leaves_digest(leaves), "columns": column_digests(members)}


def column_digests(members: pa.Table) -> dict[str, str]:
    """Digest of every column of a version's members, in ascending uid."""
    return {name: table_digest(members.select([name])) for name in members.column_names}


def licences(members: pa.Table) -> dict[str, int]:
    """How many rows there are of each licence; those without a stated one are under `not stated`."""
    return reason_counts(pc.fill_null(members["licence"], "not stated").to_pylist())


def _require_fresh(state: State, keys: list[Key], subset: str) -> None:
    """Raises unless every partition that the version is made of is there, passed its checks and is up to date."""
    stale = [planned.name for (key, _), planned in state.planned.items() if key in keys]
    failed = ["/".join(key) for key in keys for part in state.records[key] if part not in state.versions[key]]
    missing = [] if state.files else [subset]
    if bad := [*stale, *failed, *missing]:
        more = f" and {len(bad) - 5:,} more" if len(bad) > 5 else ""
        raise LakeError(
            f"{subset} cannot be published: {', '.join(bad[:5])}{more} out of date or without a passed check; "
            "run curate apply first"
        )


def _members(state: State, subset: str) -> pa.Table:
    """All rows of a subset with their facts from raw_pool, ascending by uid, then shard and row."""
    parts = []
    columns = [name for name in MEMBERS.names if not name.startswith("pool_")]
    for shard in state.files:
        kept = state.snapshots[("subsets", subset)].read(shard, ["row"])["row"]
        pool = state.snapshots[_POOL].read(shard, ["row", *columns])
        rows = pool.filter(pc.is_in(pool["row"], value_set=kept.combine_chunks()))
        named = rows.append_column("pool_shard", pa.repeat(shard, len(rows))).rename_columns({"row": "pool_row"})
        parts.append(named.select(list(MEMBERS.names)))
    whole = pa.concat_tables(parts).cast(MEMBERS.schema)
    return whole.take(uid_order(whole["uid_hi"].to_numpy(), whole["uid_lo"].to_numpy())).combine_chunks()


def _circumstances(state: State, keys: list[Key], subset: str) -> dict[str, object]:
    """What the version was made with: recipe, filters, code, packages, encoder, inputs, and the funnel down to it."""
    chain = subset_chain(state.project.recipe, subset)
    funnels = {funnel.subset: funnel for funnel in subset_funnels(state)}
    encoder = state.snapshots.get(("encoder",)) if ("encoder",) in keys else None
    return {
        "recipe": state.project.recipe.file.model_dump(mode="json", by_alias=True),
        "filters": [{"subset": plan.name, "from": plan.source, "keep": describe(plan.keep)} for plan in chain],
        "funnel": [asdict(pool_funnel(state)), *(asdict(funnels[plan.name]) for plan in chain)],
        "encoder": encoder.read(None).to_pylist()[0] if encoder else None,
        "inputs": {"/".join(key): _input(state, key) for key in keys},
        "packages": {"python": python_version(), **{name: found for name in _PACKAGES if (found := _package(name))}},
    }


def _input(state: State, key: Key) -> dict[str, object]:
    """An artifact that the version was made from; its partitions' own records lie in the frozen table's log."""
    node, found = state.project.graph[key], state.versions[key]
    parts = {shard or "": version for shard, version in found.items() if shard is None or shard in state.files}
    return {
        "delta_version": state.snapshots[key].version,
        "code_version": node.code_version,
        "parameters": dict(node.parameters),
        "partitions": len(parts),
        "data_versions": json_digest(parts),
    }


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _build(state: State, keys: list[Key], members: pa.Table, made: tuple[Path, int, dict[str, object]]) -> None:
    """Build the version's folder beside its place, and move it there."""
    folder, number, manifest = made
    building = folder / f".v{number}"
    shutil.rmtree(building, ignore_errors=True)  # of a publication that was killed
    for key in keys:
        name = state.project.graph[key].name
        freeze(state.snapshots[key], str(building / name), set(state.files))
    frozen = Lake(root=str(building))
    record = {"asset": MEMBERS_TABLE, "data_version": manifest["content_digest"], "inputs": {}, "run_id": manifest["run_id"]}
    frozen.write(MEMBERS_TABLE, [Part(None, members, record)])
    (building / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    building.rename(folder / f"v{number}")


def _register(project: Project, dataset: str) -> None:
    """Bring the table of a dataset's versions in line with the versions that there are."""
    found = [version for version in versions(project) if version.dataset == dataset]
    table = f"datasets/{dataset}"
    known = project.lake.read(table).num_rows if project.lake.exists(table) else 0
    if len(found) <= known:
        return
    texts = [(version.folder / MANIFEST).read_bytes() for version in found]
    rows = {
        "dataset_version": [version.number for version in found],
        "published_at": [version.manifest["published_at"] for version in found],
        "published_rows": [version.manifest["rows"] for version in found],
        "content_digest": [version.manifest["content_digest"] for version in found],
        "manifest_sha256": [hashlib.sha256(text).hexdigest() for text in texts],
        "manifest": [text.decode() for text in texts],
    }
    record = {"asset": table, "data_version": json_digest(rows["manifest_sha256"]), "inputs": {}, "reasons": ["published"]}
    record |= {"code_version": "1", "parameters": {}, "run_id": str(found[-1].manifest["run_id"])}
    project.lake.write(table, [Part(None, pa.table(rows, schema=DATASET.schema), record)])
