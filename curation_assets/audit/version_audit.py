"""Published versions under audit: each is verified, and what that finds becomes findings of the audit."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from curation_assets.errors import CurationError, LakeError
from curation_assets.holdings.project import Project
from resources.stored_files import StoredTable, damage

from .findings import Finding
from .invariants import AuditFinding, Spot
from .receipts import FOLDER as RECEIPTS
from .receipts import receipt_faults
from .removed_rows import PATTERN, receipts_since
from .verify import verify
from .versions import FOLDER, MANIFEST, Version, open_version


def version_folders(project: Project) -> list[Path]:
    """Folders of published versions, whatever is in them, by dataset and number."""
    if not project.lake.is_local:
        return []
    found = [f for f in Path(project.lake.root).glob(f"{FOLDER}/*/v*") if f.is_dir() and f.name[1:].isdigit()]
    return sorted(found, key=lambda folder: (folder.parent.name, int(folder.name[1:])))


def read_version(folder: Path) -> Version:
    """A version from what lies in its folder.

    Raises:
        LakeError: its manifest cannot be read.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LakeError(f"{type(error).__name__}: {error}") from error
    if not isinstance(manifest, dict):
        raise LakeError(f"it holds no object but a {type(manifest).__name__}")
    return Version(folder.parent.name, int(folder.name[1:]), folder, manifest)


def project_of_version(project: Project, folder: Path) -> tuple[Project | None, list[AuditFinding]]:
    """The project of a published version, None if its manifest does not tell it, and what is wrong then."""
    try:
        return open_version(project, read_version(folder)), []
    except CurationError as error:
        return None, [_spot(folder).breach("manifest", MANIFEST, "a manifest with the recipe of then", error)]


def verification_findings(project: Project, folder: Path) -> Iterator[AuditFinding]:
    """What the verification of a version finds."""
    try:
        version = read_version(folder)
    except LakeError:  # said already; the lake's own table of versions has the manifest as well
        version = Version(folder.parent.name, int(folder.name[1:]), folder, {})
    is_broken = bool(receipt_faults(Path(project.lake.root)))  # said once, where the chain is checked
    for finding in verify(project, version).findings:
        if finding.where != RECEIPTS or not is_broken:
            yield _converted(finding, _spot(folder))


def absent_findings(project: Project, dataset: str, folders: list[Path]) -> Iterator[AuditFinding]:
    """Versions that the lake's table of versions names, and that are no longer there."""
    table = f"datasets/{dataset}"
    present = {folder.name for folder in folders if folder.parent.name == dataset}
    try:
        with damage(f"cannot read {table}"):
            numbers = project.lake.read(table, columns=["dataset_version"])["dataset_version"].to_pylist()
    except LakeError:  # said where all tables are opened and read
        numbers = []
    for number in numbers:
        if f"v{number}" not in present:
            place = f"{FOLDER}/{dataset}/v{number}"
            yield Spot(table).breach("version", place, f"the folder of {dataset}@{number}", "no such folder")


def is_redacted(folder: Path, tables: Iterable[StoredTable]) -> bool:
    """Whether rows were taken down from a version since it was published, be they members or others of its tables."""
    try:
        manifest = read_version(folder).manifest
    except LakeError:  # said where its recipe is read
        manifest = {}
    records = (record for table in tables for record in table.snapshot.records.values())
    return any(folder.glob(PATTERN)) or bool(receipts_since(records, manifest))


def _converted(finding: Finding, spot: Spot) -> AuditFinding:
    is_manifest = finding.where.startswith(MANIFEST)
    check = "funnel" if is_manifest and ", funnel of " in finding.where else "manifest" if is_manifest else "version"
    return spot.breach(check, finding.where, finding.expected, f"{finding.what}: {finding.found}")


def _spot(folder: Path) -> Spot:
    return Spot(f"{FOLDER}/{folder.parent.name}/{folder.name}")
