"""The frozen tables of a version: every file, each partition's rows against its record, and all against the manifest."""

from collections.abc import Mapping
from pathlib import Path

from curation_assets.algorithms.digest import partition_version
from curation_assets.algorithms.identity import uid_digest
from curation_assets.algorithms.labels import label_of
from curation_assets.errors import LakeError
from curation_assets.lineage.freshness import partition_name
from curation_assets.tables import Key
from resources.frozen_table import open_frozen, read_checked
from resources.snapshot import Snapshot

from .circumstances import records_digest
from .file_sums import SUMS, file_sum, read_sums
from .findings import UNREADABLE, Finding, Verified
from .receipted import Receipted
from .receipts import FOLDER as RECEIPTS
from .removed_rows import receipts_since
from .versions import MANIFEST, Version

Tables = dict[Key, Snapshot]


def check_files(version: Version, verified: Verified) -> None:
    """Compare every file with its recorded sum; after a redaction, only those that it did not rewrite."""
    folder, manifest = version.folder, version.manifest
    try:
        recorded = read_sums(folder)
        verified.compare("the list of files was changed", SUMS, manifest.get("files_sha256"), file_sum(folder / SUMS))
    except LakeError as error:
        verified.findings.append(Finding(UNREADABLE, SUMS, "a list of files", str(error)))
        return
    for path, expected in recorded.items():
        if verified.redactions and ("_delta_log/" in path or not (folder / path).exists()):
            continue
        try:
            verified.compare("a file was changed", path, expected, file_sum(folder / path))
        except OSError as error:
            verified.findings.append(Finding(UNREADABLE, path, f"sha256 {expected}", error.strerror or str(error)))


def open_tables(version: Version, verified: Verified) -> Tables:
    """The frozen tables that can be opened; the receipts of takedowns that changed their rows are noted."""
    inputs = version.manifest.get("inputs")
    found: Tables = {}
    for name in inputs if isinstance(inputs, Mapping) else ():
        try:
            found[tuple(name.split("/"))] = open_frozen(str(version.folder / name))
        except LakeError as error:
            verified.findings.append(Finding(UNREADABLE, name, "a frozen table", str(error)))
    # A takedown can remove rows of these tables that were no members: then there is no redaction of the members.
    records = (record for snapshot in found.values() for record in snapshot.records.values())
    receipts = {str(receipt) for receipt in receipts_since(records, version.manifest)}
    verified.redactions += sorted(receipts - {*verified.redactions})
    return found


def check_tables(version: Version, tables: Tables, said: Receipted, verified: Verified) -> None:
    """Recompute the content of all partitions of all frozen tables, and compare their records with manifest and receipts."""
    inputs = version.manifest.get("inputs")
    pool = tables.get(("raw_pool",))
    for key, snapshot in tables.items():
        recorded = inputs.get("/".join(key)) if isinstance(inputs, Mapping) else None
        _check_recorded("/".join(key), snapshot, recorded if isinstance(recorded, Mapping) else {}, said, verified)
        for part in sorted(snapshot.records.keys() | snapshot.files.keys(), key=str):
            _check_partition((key, part), snapshot, pool, verified)


def _check_recorded(name: str, snapshot: Snapshot, recorded: Mapping[str, object], said: Receipted, verified: Verified) -> None:
    verified.compare("partitions are missing or too many", name, recorded.get("partitions"), len(snapshot.records))
    if said.knows(record.get("takedown") for record in snapshot.records.values()):
        writer = "the last receipt that names it" if name in said.digests else "the manifest"
        expected = said.digests.get(name, recorded.get("data_versions"))
        verified.compare(f"its records are not those of {writer}", name, expected, records_digest(snapshot.records))


def _check_partition(partition: tuple[Key, str | None], snapshot: Snapshot, pool: Snapshot | None, verified: Verified) -> None:
    """Rows and content of one partition against its record, and its samples against those of raw_pool."""
    key, part = partition
    files = ", ".join(str(Path("/".join(key)) / path) for path in snapshot.files.get(part, []))
    where = partition_name("/".join(key), part) + (f" in {files}" if files else "")
    record = snapshot.records.get(part)
    verified.partitions += 1
    if record is None:
        verified.findings.append(Finding("rows without a record", where, "a record in the log", "none"))
        return
    try:
        rows = read_checked(snapshot, part)
    except LakeError as error:
        verified.findings.append(Finding(UNREADABLE, where, f"data version {record.get('data_version')}", str(error)))
        return
    verified.compare("other number of rows than recorded", where, record.get("rows"), len(rows))
    uids = None if record.get("uid_digest") is None else str(record["uid_digest"])
    if label_of(key, "encoder") is not None:
        content = str(rows["weights_sha256"].to_pylist()[0]) if "weights_sha256" in rows.column_names and len(rows) else "none"
    else:
        content = partition_version(rows, uids)
    verified.compare("other content than recorded", where, record.get("data_version"), content)
    if key == ("raw_pool",) and {"uid_hi", "uid_lo"} <= set(rows.column_names):
        found = uid_digest(rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy())
        verified.compare("other uids than recorded", where, uids, found)
    elif part is not None and uids is not None and pool is not None:
        expected = pool.records.get(part, {}).get("uid_digest")
        verified.compare("its rows are not aligned with those of raw_pool", where, expected, uids)


def is_readable(verified: Verified) -> bool:
    """Whether everything that was looked at so far could be read."""
    places = [finding.where for finding in verified.findings if finding.what == UNREADABLE]
    return not [place for place in places if place not in (MANIFEST, SUMS, RECEIPTS)]
