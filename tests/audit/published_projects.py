"""Projects with published versions for tests: copies of one lake, which each test may damage."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.digest import json_digest, partition_version
from curation_assets.algorithms.identity import uid_digest
from curation_assets.audit.publish import column_digests, content_digests
from curation_assets.audit.versions import MEMBERS, Version, uid_leaves
from curation_assets.holdings.project import Project
from resources.delta import Lake, Part
from tests.small_project import SUBSETS, make_project, run_apply

# Nothing is 1,000 pixels high in the drawn pool; the last name is as long as a name may be.
LONG_NAME = f"v1_{'X' * 60}_"
DATASETS: dict[str, object] = {
    **SUBSETS,
    "nothing": {"from": "basic", "keep": [{"image_size": {"min_side_px": 1000}}]},
    LONG_NAME: {"keep": ["english_caption"]},
}


def curated(folder: Path, pool: Path) -> Project:
    """A project with everything made."""
    project = make_project(folder, pool / "pool" / "*.tar", DATASETS)
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run_apply(project, instance).failed
    return project


def moved(project: Project, folder: Path) -> Project:
    """The same project with its whole lake copied to another folder."""
    shutil.copytree(project.lake.root, folder / "lake")
    return make_project(folder, str(project.recipe.file.pool.path), DATASETS)


def rewrite(lake: Lake, table: str, shard: str | None, rows: pa.Table, changed: Mapping[str, object]) -> None:
    """Replace a partition and fields of its record, as somebody could who knows the code."""
    record = {**lake.records(table)[shard], **changed}
    lake.write(table, [Part(shard, rows, {**record, "rows": len(rows)})])


def redact(version: Version, position: int, receipt: int, removed_before: int = 0) -> None:
    """Take a member, by its position among those there are, out of a version: its rows of all tables, and a redaction."""
    lake = Lake(root=str(version.folder))
    members = lake.read(MEMBERS)
    row, hi, lo, shard = (members[name][position].as_py() for name in ("pool_row", "uid_hi", "uid_lo", "pool_shard"))
    pool = lake.read("raw_pool", shard=shard).filter(pc.not_equal(lake.read("raw_pool", shard=shard)["row"], row))
    uids = uid_digest(pool["uid_hi"].to_numpy(), pool["uid_lo"].to_numpy())
    for table in version.manifest["inputs"]:
        record = lake.records(table).get(shard)
        if record is None or record["uid_digest"] is None:
            continue
        rows = lake.read(table, shard=shard)
        rows = rows.filter(pc.not_equal(rows["row"], row))
        changed = {"uid_digest": uids, "data_version": partition_version(rows, uids), "takedown": receipt}
        rewrite(lake, table, shard, rows, changed)
    rejected = lake.read("rejected_samples", shard=shard)
    gone = {"shard": shard, "row": row, "key": "", "reason": "takedown:T", "detail": "", "rejected_offset_bytes": None}
    rows = pa.concat_tables([rejected, pa.Table.from_pylist([gone], schema=rejected.schema)]).sort_by("row")
    rewrite(lake, "rejected_samples", shard, rows, {"data_version": partition_version(rows, None), "takedown": receipt})
    left = members.filter(pc.invert(pc.and_(pc.equal(members["uid_hi"], hi), pc.equal(members["uid_lo"], lo))))
    rewrite(lake, MEMBERS, None, left, {"data_version": json_digest(content_digests(left))})
    leaf = uid_leaves(members["uid_hi"].to_numpy(), members["uid_lo"].to_numpy())[position]
    body = {
        "receipt": receipt,
        "ticket": "T",
        "removed": [{"position": position + removed_before, "leaf": leaf.hex()}],
        "rows_after": len(left),
        "column_digests_after": column_digests(left),
    }
    (version.folder / f"redaction_{receipt}.json").write_text(json.dumps(body))
