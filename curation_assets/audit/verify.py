"""Proof of a published version: everything that can be recomputed is, and what differs is named with its place.

Of a version from which rows were taken down since, the same is proved less those rows: what remains and the leaves of what
was removed give the digest of the manifest.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa

from curation_assets.algorithms.digest import json_digest
from curation_assets.errors import ArgumentError, CurationError, LakeError
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State
from curation_assets.tables import Key
from resources.frozen_table import open_frozen, read_checked
from resources.stored_files import damage

from .circumstances import funnel, partitions_digest
from .dataset_table import registered
from .findings import UNREADABLE, Finding, Verified
from .frozen_tables import Tables, check_files, check_tables, is_readable, open_tables
from .publish import column_digests, lineage, member_rows, remaining_digest
from .rebuild import rebuild as decide_again
from .receipted import Receipted, receipted
from .receipts import FOLDER as RECEIPTS
from .removed_rows import Redaction, read_redactions, with_removed
from .versions import (
    MANIFEST,
    MEMBERS,
    Version,
    dataset_folder,
    find_version,
    leaves_digest,
    open_version,
    parse_reference,
    uid_leaves,
)

_POOL: Key = ("raw_pool",)


def reference_to_verify(project: Project, reference: str) -> Version:
    """A version by its name, such as `train@2`; also one of which no folder is left.

    Raises:
        ArgumentError: there never was one of that name, which lists the known ones, or no number is given.
    """
    dataset, number = parse_reference(reference)
    if number is None:
        raise ArgumentError(f"{reference!r} names no version; give one such as {dataset}@1")
    return version_to_verify(project, dataset, number)


def version_to_verify(project: Project, dataset: str, number: int) -> Version:
    """A version that was published, whatever is left of its folder.

    Raises:
        ArgumentError: there never was one of that name; lists the known ones.
    """
    folder = dataset_folder(project, dataset) / f"v{number}"
    for row in registered(project, dataset).to_pylist() if dataset.isidentifier() else []:
        if row["dataset_version"] == number:
            return Version(dataset, number, folder, json.loads(row["manifest"]))
    return find_version(project, dataset, number)


def verify(project: Project, version: Version, rebuild: bool = False) -> Verified:
    """Recompute what a version consists of, and compare it with what was published.

    Args:
        project: whose lake the version is of.
        version: from `version_to_verify`, or any other way.
        rebuild: also decide again, from the frozen scores, which rows are kept.

    Returns:
        What was checked and what is wrong; files that cannot be read are findings, too.
    """
    verified = Verified(version.name)
    version = _as_published(project, version, verified)
    redactions = _redactions(version, verified)
    tables = open_tables(version, verified)
    check_files(version, verified)
    said = _said(project, version, verified)
    check_tables(version, tables, said, verified)
    members = _check_members(version, redactions, said, verified)
    if members is None or not is_readable(verified):
        return verified
    try:
        state = _frozen_state(project, version, tables)
        _check_rows(version, state, members, verified)
        _check_funnel(version, state, verified)
        if rebuild:
            decide_again(version, state, members, verified)
    except CurationError as error:
        verified.findings.append(Finding("cannot be checked to the end", version.name, "tables that fit together", str(error)))
    return verified


def _as_published(project: Project, version: Version, verified: Verified) -> Version:
    """The version with the manifest that the lake's table of versions holds; manifest.json must be the same."""
    table = f"datasets/{version.dataset}"
    try:
        with damage(f"cannot read {table}"):
            rows = {row["dataset_version"]: row for row in registered(project, version.dataset).to_pylist()}
            row = rows.get(version.number)
            manifest = {} if row is None else json.loads(row["manifest"])
    except LakeError as error:
        verified.findings.append(Finding(UNREADABLE, table, "the table of versions", str(error)))
        return version
    if row is None:
        expected = f"a row for version {version.number}; curate publish adds it"
        verified.findings.append(Finding("is not in the table of versions", table, expected, "none"))
        return version
    trusted = str(row["manifest"])
    digest = hashlib.sha256(trusted.encode()).hexdigest()
    verified.compare("the manifest kept in the table was changed", table, row["manifest_sha256"], digest)
    try:
        text = (version.folder / MANIFEST).read_bytes()
    except OSError as error:
        found = error.strerror or str(error)
        verified.findings.append(Finding(UNREADABLE, MANIFEST, f"sha256 {row['manifest_sha256']}", found))
        return replace(version, manifest=manifest)
    where = f"{MANIFEST}{_changed_fields(text, manifest)}"
    verified.compare("the manifest was changed", where, row["manifest_sha256"], hashlib.sha256(text).hexdigest())
    return replace(version, manifest=manifest)


def _changed_fields(text: bytes, manifest: Mapping[str, object]) -> str:
    """Names of the fields of a manifest's text that are not as published."""
    try:
        found = json.loads(text)
    except ValueError:
        return ", which is no JSON"
    if not isinstance(found, dict):
        return ", which is no object"
    names = sorted(name for name in found.keys() | manifest.keys() if found.get(name) != manifest.get(name))
    return f", {', '.join(names)}" if names else ""


def _redactions(version: Version, verified: Verified) -> list[Redaction]:
    try:
        found = read_redactions(version.folder)
    except LakeError as error:
        verified.findings.append(Finding(UNREADABLE, "redactions", "receipts of removals", str(error)))
        return []
    verified.redactions = [one.receipt for one in found]
    return found


def _said(project: Project, version: Version, verified: Verified) -> Receipted:
    """What the receipts say; of a broken chain that is as much as was known when the version was published."""
    try:
        return receipted(Path(project.lake.root), version)
    except LakeError as error:
        verified.findings.append(Finding(UNREADABLE, RECEIPTS, "the chain of receipts", str(error)))
        last = version.manifest.get("last_receipt")
        return Receipted({}, last if isinstance(last, int) else 0)


def _check_members(version: Version, redactions: list[Redaction], said: Receipted, verified: Verified) -> pa.Table | None:
    """Recompute rows, uids and columns of the members; None if they cannot be read."""
    try:
        members = read_checked(open_frozen(str(version.folder / MEMBERS)), None)
        leaves = uid_leaves(members["uid_hi"].to_numpy(), members["uid_lo"].to_numpy())
        whole = leaves_digest(with_removed(leaves, redactions))
    except (LakeError, KeyError) as error:
        verified.findings.append(Finding(UNREADABLE, MEMBERS, "rows of the version", str(error)))
        return None
    manifest = version.manifest
    verified.rows = len(members)
    removed = sum(len(one.removed) for one in redactions)
    verified.compare("other number of rows", MEMBERS, manifest.get("rows"), len(members) + removed)
    if redactions:
        verified.compare("other number of rows than after the last redaction", MEMBERS, redactions[-1].rows_after, len(members))
    verified.compare("other uids, or in another order", f"{MEMBERS}, uid_hi and uid_lo", manifest.get("uid_digest"), whole)
    recorded = redactions[-1].column_digests_after if redactions else manifest.get("columns")
    expected, found = recorded if isinstance(recorded, Mapping) else {}, column_digests(members)
    for name in sorted(expected.keys() | found.keys()):
        verified.compare("another column", f"{MEMBERS}, {name}", expected.get(name), found.get(name))
    if redactions and said.knows(int(one.receipt) for one in redactions if one.receipt.isdecimal()):
        digest = partitions_digest({None: remaining_digest(found)})
        verified.compare("its columns are not those of the last receipt", MEMBERS, said.digests.get(MEMBERS), digest)
    content, where = (
        json_digest({name: manifest.get(name) for name in ("uid_digest", "columns")}),
        f"{MANIFEST}, content_digest",
    )
    verified.compare("the digest is not that of uids and columns", where, manifest.get("content_digest"), content)
    return members


def _frozen_state(project: Project, version: Version, tables: Tables) -> State:
    """The frozen tables, as they were just opened, as the state of a project.

    Raises:
        CurationError: the recipe of then cannot be read, or a table that the subset is made from is not among them.
    """
    opened = open_version(project, version)
    shards = sorted(shard for shard in tables[_POOL].records if shard is not None) if _POOL in tables else []
    snapshots = {key: tables.get(key) for key in opened.graph}
    state = State(opened, dict.fromkeys(shards, Path()), shards, snapshots)
    if lacking := ["/".join(key) for key in lineage(state, version.dataset) if snapshots[key] is None]:
        raise LakeError(f"{version.name} has no frozen table {', '.join(lacking)}, which its recipe needs")
    return state


def _check_rows(version: Version, state: State, members: pa.Table, verified: Verified) -> None:
    """Members must be the rows of the frozen subset with what the frozen raw_pool says of them.

    Findings hold no value: an audit stores them in the lake, where no takedown would look for a caption or a uid.
    """
    expected = member_rows(state, version.dataset, state.shards)
    place = f"{MEMBERS} and subsets/{version.dataset}"
    if len(members) != len(expected):
        verified.compare("members are not the rows of the frozen subset", place, len(expected), len(members))
        return
    different = [name for name in expected.column_names if not expected[name].equals(members[name])]
    for name in different:
        pairs = zip(expected[name].to_pylist(), members[name].to_pylist(), strict=True)
        other = [row for row, (old, new) in enumerate(pairs) if old != new]
        if other:  # else the column has another type alone, which its digest has told
            place, found = f"{MEMBERS}, {name} of row {other[0]}", f"others in {len(other):,} rows"
            verified.compare("members are not the rows of the frozen raw_pool", place, "the values of raw_pool", found)


def _check_funnel(version: Version, state: State, verified: Verified) -> None:
    """The funnel of the manifest must be that of the frozen ledgers; after a redaction, that less what was removed."""
    recorded = version.manifest.get("funnel")
    expected, found = recorded if isinstance(recorded, list) else [], funnel(state, version.dataset)
    verified.compare("other stages", f"{MANIFEST}, funnel", len(expected), len(found))
    rows_in = found[0].rows_in
    for then, now in zip(expected, found, strict=False):
        where = f"{MANIFEST}, funnel of {now.subset}"
        if not verified.redactions:
            verified.compare("other numbers than in the frozen ledgers", where, then, asdict(now))
            continue
        verified.compare("rows in are not rows kept and dropped", where, now.rows_in, now.kept + sum(now.dropped_by.values()))
        verified.compare("rows in are not the rows kept before", where, rows_in, now.rows_in)
        grown = {name: rows for name, rows in (("rows_in", now.rows_in), ("kept", now.kept)) if rows > then[name]}
        verified.compare("more rows than were published", where, {}, grown)
        rows_in = now.kept
    if verified.redactions:
        verified.compare("members are not the rows kept", MEMBERS, found[-1].kept, verified.rows)
