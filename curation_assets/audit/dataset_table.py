"""The table `datasets/<dataset>`: a row per published version, and a record that says what the newest was made from."""

import hashlib

import pyarrow as pa

from curation_assets.audit_tables import DATASET
from curation_assets.graph import dataset_node
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State
from curation_assets.lineage.freshness import present_fingerprint, reasons_out_of_date
from resources.delta import Part

from .versions import MANIFEST, Version, versions


def register(state: State, subset: str, run_id: str, seconds: float) -> None:
    """Bring the table of a dataset's versions in line with its folders, and its record with what was just looked at.

    A version that a killed publication left unregistered gets its row; the row of one whose folder is gone stays, so that
    its number is never given again. Nothing is written where all is as recorded.

    Args:
        state: that the newest version holds the content of.
        subset: name of it, and of the dataset.
        run_id: Dagster run that publishes; empty for a person, who renews the record only if something changed.
        seconds: what publishing took.
    """
    node, table = dataset_node(subset), dataset_node(subset).name
    known = registered(state.project, subset)
    rows = {int(row["dataset_version"]): row for row in known.to_pylist()}
    fresh = {found.number: _row(found) for found in versions(state.project, subset)} | rows
    record = state.project.lake.records(table).get(None)
    present = present_fingerprint(node, None, state.project.graph, state.shards, state.versions, stamps={})
    reasons = reasons_out_of_date(record, present)
    if len(fresh) == len(rows) and not reasons and not run_id:
        return
    listed = [fresh[number] for number in sorted(fresh)]
    made = {"asset": table, "data_version": listed[-1]["content_digest"], "uid_digest": None, "run_id": run_id}
    made |= {"reasons": reasons or ["published"], "seconds": round(seconds, 4), **present.as_record()}
    changed = pa.Table.from_pylist(listed, schema=DATASET.schema) if len(fresh) > len(rows) else None
    state.project.lake.write(table, [Part(None, changed, made)])


def registered(project: Project, dataset: str) -> pa.Table:
    """Rows of the published versions of a dataset, ascending by number; none if nothing was published."""
    table = dataset_node(dataset).name
    return project.lake.read(table) if project.lake.exists(table) else DATASET.schema.empty_table()


def _row(version: Version) -> dict[str, object]:
    text = (version.folder / MANIFEST).read_bytes()
    return {
        "dataset_version": version.number,
        "published_at": version.manifest["published_at"],
        "published_rows": version.manifest["rows"],
        "content_digest": version.manifest["content_digest"],
        "manifest_sha256": hashlib.sha256(text).hexdigest(),
        "manifest": text.decode(),
    }
