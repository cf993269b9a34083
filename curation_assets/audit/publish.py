"""Publishing: a subset as it is becomes a dataset version that nothing changes any more.

The version is built beside its place and moved there in one step, so that a killed publication leaves nothing that could be
taken for a version. Its tables share their files with the live ones.
"""

import json
import re
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.digest import json_digest, table_digest
from curation_assets.algorithms.identity import uid_order
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.audit_tables import MEMBERS
from curation_assets.errors import ArgumentError, LakeError
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State, read_state
from curation_assets.lineage.freshness import partition_name
from curation_assets.tables import Key
from resources.delta import Lake, Part
from resources.frozen_table import freeze

from .circumstances import circumstances
from .dataset_table import register, registered
from .file_sums import write_sums
from .journal import read_journal
from .receipts import next_number
from .versions import MANIFEST, Version, dataset_folder, find_version, leaves_digest, require_subset, uid_leaves, versions
from .versions import MEMBERS as MEMBERS_TABLE

_POOL: Key = ("raw_pool",)
# A uid or sha256 in hex digits; 40 of them are a commit of git.
_NAME_OF_A_SAMPLE = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{64})(?![0-9a-f])", re.IGNORECASE)
_VECTORS = {"image_embedding", "text_embedding", "target_embedding", "centroid"}


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
        ArgumentError: unknown subset, or a note with a uid or digest in it, which no takedown could take out again.
        LakeError: the subset is missing, out of date or failed a check, a takedown was interrupted, or the lake is not on a
            local disk.
    """
    require_subset(project, subset)
    if found := _NAME_OF_A_SAMPLE.search(note):
        raise ArgumentError(
            f"the note holds {found[0][:32]}, and a manifest never changes; leave uids and digests out of its note"
        )
    dataset_folder(project, subset)  # before anything is read: it may be that nothing can be published here
    with project.lake.lock(f"publish-{subset}"):
        _require_no_removal(project)
        started, state = time.monotonic(), read_state(project)
        keys = lineage(state, subset)
        _require_fresh(state, keys, subset)
        _require_aligned(state, keys, subset)
        members = member_rows(state, subset, list(state.files))
        digests = content_digests(members)
        former = versions(project, subset)
        is_new = not former or former[-1].manifest["content_digest"] != json_digest(digests)
        number = _next_number(project, subset, former) if is_new else former[-1].number
        if is_new:
            facts = {"dataset": subset, "version": number, "note": note, "run_id": run_id, "rows": len(members)}
            facts |= {"published_at": datetime.now(UTC).isoformat(timespec="seconds"), "content_digest": json_digest(digests)}
            facts["last_receipt"] = next_number(Path(project.lake.root)) - 1
            manifest = {**facts, **digests, **circumstances(state, keys, subset), "licences": licences(members)}
            _build(state, keys, members, manifest)
        register(state, subset, run_id, time.monotonic() - started)
    return find_version(project, subset, number), is_new


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


def remaining_digest(columns: Mapping[str, str]) -> str:
    """Data version of a version's members after a takedown: their columns, since leaves prove the uids as they were."""
    return json_digest({"columns": columns})


def licences(members: pa.Table) -> dict[str, int]:
    """How many rows there are of each licence; those without a stated one are under `not stated`."""
    return reason_counts(licence or "not stated" for licence in members["licence"].to_pylist())


def _require_no_removal(project: Project) -> None:
    """Raises if a takedown was interrupted: nobody would know which members it then takes from a version made meanwhile."""
    if read_journal(project.lake.root) is not None:
        raise LakeError(
            f"{project.lake.root} has an interrupted takedown, whose rows may still be there; finish it with curate takedown"
        )


def _require_fresh(state: State, keys: list[Key], subset: str) -> None:
    """Raises unless every partition that the version is made of is there, passed its checks and is up to date."""
    stale = [planned.name for (key, _), planned in state.planned.items() if key in keys]
    failed = [partition_name("/".join(k), part) for k in keys for part in state.records[k] if part not in state.versions[k]]
    missing = [] if state.files else [subset]
    if bad := [*missing, *failed, *stale]:  # causes before what follows from them
        more = f" and {len(bad) - 5:,} more" if len(bad) > 5 else ""
        raise LakeError(
            f"{subset} cannot be published: {', '.join(bad[:5])}{more} out of date or without a passed check; "
            "run curate apply first"
        )


def _require_aligned(state: State, keys: list[Key], subset: str) -> None:
    """Raises unless the rows of every table stand for the samples of raw_pool as it is in this very snapshot."""
    pool = state.records[_POOL]
    for key in keys:
        for shard in state.files if state.project.graph[key].is_sharded else ():
            digest = state.records[key][shard].get("uid_digest")
            if digest is not None and digest != pool[shard]["uid_digest"]:
                name = partition_name("/".join(key), shard)
                raise LakeError(f"{subset} cannot be published: {name} is not aligned with raw_pool[{shard}]; run curate apply")


def _next_number(project: Project, subset: str, former: list[Version]) -> int:
    """One more than any number that was ever given, also to a version whose folder is gone."""
    return max([0, *registered(project, subset)["dataset_version"].to_pylist(), *(found.number for found in former)]) + 1


def member_rows(state: State, subset: str, shards: list[str]) -> pa.Table:
    """All rows of a subset in these shards, with their facts from raw_pool, ascending by uid, then shard and row."""
    parts = []
    columns = [name for name in MEMBERS.names if not name.startswith("pool_")]
    for shard in shards:
        kept = state.snapshots[("subsets", subset)].read(shard, ["row"])["row"]
        pool = state.snapshots[_POOL].read(shard, ["row", *columns])
        rows = pool.filter(pc.is_in(pool["row"], value_set=kept.combine_chunks()))
        named = rows.append_column("pool_shard", pa.repeat(shard, len(rows))).rename_columns({"row": "pool_row"})
        parts.append(named.select(list(MEMBERS.names)))
    whole = pa.concat_tables(parts).cast(MEMBERS.schema)
    return whole.take(uid_order(whole["uid_hi"].to_numpy(), whole["uid_lo"].to_numpy())).combine_chunks()


def _build(state: State, keys: list[Key], members: pa.Table, manifest: Mapping[str, object]) -> None:
    """Build the version's folder beside its place, and move it there."""
    folder, number = dataset_folder(state.project, str(manifest["dataset"])), manifest["version"]
    for left in folder.glob(".v*"):  # of publications that were killed
        shutil.rmtree(left)
    building = folder / f".v{number}"
    for key in keys:
        name = state.project.graph[key].name
        freeze(state.snapshots[key], str(building / name), set(state.files))
    frozen = Lake(root=str(building))
    record = {"asset": MEMBERS_TABLE, "data_version": manifest["content_digest"], "inputs": {}, "run_id": manifest["run_id"]}
    frozen.write(MEMBERS_TABLE, [Part(None, members, record)])
    whole = {**manifest, "files_sha256": write_sums(building)}
    (building / MANIFEST).write_text(json.dumps(whole, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    building.rename(folder / f"v{number}")
