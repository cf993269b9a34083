"""The audit: whether everything that must hold of a lake does, whoever wrote it and whatever became of its files since."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from curation_assets.errors import LakeError, PoolError
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import read_state
from resources.stored_files import StoredTable, damage, open_stored, table_folders

from .invariants import AuditFinding, Spot, counted
from .lake_audit import LakeAudit
from .lake_tables import LakeTables, Scope, Seen
from .removal_audit import receipt_findings, taken_down, unfinished_findings
from .version_audit import absent_findings, is_redacted, project_of_version, verification_findings, version_folders
from .versions import FOLDER

_MOST_REASONS = 3


@dataclass(frozen=True)
class Audit:
    """What an audit came to.

    Args:
        findings: breaches first, each kind in the order in which the lake was read.
        tables: that could be opened.
        partitions: that could be read.
        rows: of these.
        versions: published ones.
        is_quick: whether digests were left out.
        seconds: that it took.
    """

    findings: tuple[AuditFinding, ...]
    tables: int
    partitions: int
    rows: int
    versions: int
    is_quick: bool
    seconds: float

    @property
    def breaches(self) -> int:
        return sum(counted(self.findings)["breach"].values())

    def is_passed(self, *, is_strict: bool = False) -> bool:
        """Whether there is no breach; in a strict audit, no warning either."""
        return not (self.findings if is_strict else self.breaches)

    def as_json(self) -> dict[str, object]:
        """The audit as plain JSON values."""
        counts = {"tables": self.tables, "partitions": self.partitions, "rows": self.rows, "versions": self.versions}
        made = {"is_quick": self.is_quick, "seconds": round(self.seconds, 3), **counts}
        return {**made, "counts": counted(self.findings), "findings": [finding.as_json() for finding in self.findings]}


def audit(project: Project, *, is_quick: bool = False, progress: Callable[[str], None] = lambda line: None) -> Audit:
    """Check every invariant of a lake. Reads all of it, a partition at a time, and writes nothing.

    Args:
        project: recipe, graph and lake.
        is_quick: leave the digests out, and with them vectors and what `curate verify` proves of versions.
        progress: takes lines for people.
    """
    started, folders = time.monotonic(), version_folders(project)
    matcher, findings = taken_down(project.lake)
    scope = Scope(is_quick, progress, matcher, Seen())
    steps = [partial(_lakes, project, scope, folders), partial(_stale, project)]
    if not is_quick:
        steps += [partial(_verified, project, folder, progress) for folder in folders]
    if project.lake.is_local:
        root = Path(project.lake.root)
        datasets = sorted(path.parent.name for path in root.glob("datasets/*/_delta_log"))
        steps += [partial(absent_findings, project, dataset, folders) for dataset in datasets]
        steps += [partial(receipt_findings, root), partial(unfinished_findings, root, folders)]
    for step in steps:
        findings += _recorded(step)
    findings.sort(key=lambda finding: finding.severity)  # stable: breach comes before warning
    seconds, seen = time.monotonic() - started, scope.seen
    return Audit(tuple(findings), seen.tables, seen.partitions, seen.rows, len(folders), is_quick, seconds)


def _recorded(step: Callable[[], Iterator[AuditFinding]]) -> Iterator[AuditFinding]:
    try:
        yield from step()
    except Exception as error:  # the edge: an audit ends with a report, whatever it reads
        yield Spot("").breach("audit", "", "a check that can be carried out", f"{type(error).__name__}: {error}")


def _lakes(project: Project, scope: Scope, folders: list[Path]) -> Iterator[AuditFinding]:
    """The live lake, and every published version as a lake of its own."""
    is_local, opened = project.lake.is_local, dict[str, StoredTable]()
    names = table_folders(Path(project.lake.root)) if is_local else [node.name for node in project.graph.values()]
    scope.progress(f"opening {len(names):,} tables of {project.lake.root}")
    if not is_local:
        yield Spot("").warning("not_local", "", "a folder, whose files can be compared with the logs", project.lake.root)
    for name in names:
        try:
            opened[name] = open_stored(project.lake.uri(name), project.lake.storage_options or None)
        except LakeError as error:
            if is_local:
                yield Spot(name).breach("unreadable", "_delta_log", "a table that can be opened", error)
    live = {name: table for name, table in opened.items() if not name.startswith(f"{FOLDER}/")}
    yield from LakeAudit(LakeTables("", project.graph, project.recipe.subsets, live), scope).findings()
    for folder in folders:
        prefix = f"{FOLDER}/{folder.parent.name}/{folder.name}/"
        own = {name.removeprefix(prefix): table for name, table in opened.items() if name.startswith(prefix)}
        then, faults = project_of_version(project, folder)
        yield from faults
        plans = then.recipe.subsets if then else ()
        lake = LakeTables(prefix, then.graph if then else {}, plans, own, is_redacted=is_redacted(folder, own.values()))
        yield from LakeAudit(lake, scope).findings()


def _verified(project: Project, folder: Path, progress: Callable[[str], None]) -> Iterator[AuditFinding]:
    progress(f"verifying {folder.parent.name}@{folder.name[1:]}")
    yield from verification_findings(project, folder)


def _stale(project: Project) -> Iterator[AuditFinding]:
    """What is out of date or held back, by artifact."""
    try:
        with damage("what is out of date cannot be told"):
            planned = read_state(project).planned
    except LakeError as error:
        is_of_pool = isinstance(error.__cause__, PoolError)
        check, place = ("pool", "pool.path") if is_of_pool else ("stale", "")
        yield Spot("raw_pool" if is_of_pool else "").warning(check, place, "a plan of what is out of date", error)
        return
    artifacts: dict[str, list[str]] = {}
    for (key, _), one in planned.items():
        held = [f"held back by {one.held_back_by}"] if one.held_back_by else []
        artifacts.setdefault("/".join(key), []).append("; ".join([*one.reasons[:1], *held]))
    for name, reasons in artifacts.items():
        first = "; ".join(dict.fromkeys(reasons[:_MOST_REASONS]))
        yield Spot(name).warning("stale", f"{len(reasons):,} partitions", "up to date", first)
