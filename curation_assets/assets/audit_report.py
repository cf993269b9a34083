"""The audit as an asset: its findings as a table, counts and the overlaps of all sets in the UI, by hand or at fixed times.

No node of the graph: an audit reads everything, and nothing is made from it.
"""

from collections.abc import Mapping

import dagster as dg
import pyarrow as pa

from curation_assets.algorithms.digest import partition_version
from curation_assets.audit.audit import Audit
from curation_assets.audit.audit import audit as audit_project
from curation_assets.audit.contains import ContainmentMatrix, containment_matrix
from curation_assets.audit.invariants import CHECKS, AuditFinding, counted
from curation_assets.audit_tables import AUDIT_REPORT
from curation_assets.errors import LakeError, RecipeError
from curation_assets.holdings.project import Project
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe, load_recipe
from resources.delta import Lake, Part
from resources.stored_files import damage

from .automation import fault_lines
from .catalogue import column_schema, docstring_markdown

JOB, NAME, CHECK = "audit", "audit_report", "no_breach"
_CODE_VERSION = "1"
_LISTED = 50
# Sets whose overlaps are shown: a matrix has a cell for every two.
_MOST_SETS = 30
_COLUMNS = dict(
    zip(
        AUDIT_REPORT.names,
        ("check", "severity", "table", "partition", "place", "expected", "found", "remedy"),
        strict=True,
    )
)


def audit_definitions(recipe: Recipe, graph: Graph) -> dg.Definitions:
    """The asset `audit_report`, a job that makes it, and a schedule for the job.

    Raises:
        RecipeError: the schedule's times never come.
    """
    job = dg.define_asset_job(
        JOB, selection=dg.AssetSelection.assets(NAME), description="Checks all that must hold of the lake: `curate audit`."
    )
    return dg.Definitions(assets=[_audit_report(recipe, graph)], jobs=[job], schedules=[_audit_schedule(recipe)])


def report_rows(findings: tuple[AuditFinding, ...]) -> pa.Table:
    """Findings as rows of the table `audit_report`."""
    columns = {name: [getattr(finding, own) for finding in findings] for name, own in _COLUMNS.items()}
    return pa.table(columns, schema=AUDIT_REPORT.schema)


def _audit_report(recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        key=NAME,
        description=docstring_markdown(_MEANING),
        group_name="audit",
        kinds={"deltalake", "python"},
        metadata={"dagster/column_schema": column_schema(AUDIT_REPORT), "dagster/table_name": NAME},
    )
    check = dg.AssetCheckSpec(name=CHECK, asset=NAME, description="no invariant of the lake is broken; warnings only warn")

    @dg.multi_asset(name=NAME, specs=[spec], check_specs=[check])
    def audit_report(context: dg.AssetExecutionContext, lake: Lake):
        project = Project(recipe, graph, lake)
        found = audit_project(project, progress=context.log.info)
        rows = report_rows(found.findings)
        record = {"asset": NAME, "data_version": partition_version(rows, None), "uid_digest": None, "reasons": ["asked for"]}
        record |= {"run_id": context.run.run_id, "code_version": _CODE_VERSION, "parameters": {}, "inputs": {}}
        version = lake.write(NAME, [Part(None, rows, {**record, "seconds": round(found.seconds, 4)})])
        yield dg.MaterializeResult(
            asset_key=NAME,
            data_version=dg.DataVersion(str(record["data_version"])),
            metadata={**_shown(found), **_overlaps(project), "delta_version": version, "dagster/uri": lake.uri(NAME)},
            check_results=[_check(found)],
        )

    return audit_report


def _check(found: Audit) -> dg.AssetCheckResult:
    """Passed without findings; breaches fail it as an error, warnings alone as a warning."""
    kind = dg.AssetCheckSeverity.ERROR if found.breaches else dg.AssetCheckSeverity.WARN
    counts = {severity: sum(by_check.values()) for severity, by_check in counted(found.findings).items()}
    first = f"; the first: {found.findings[0].check} of {found.findings[0].table}" if found.findings else ""
    return dg.AssetCheckResult(
        passed=not found.findings,
        check_name=CHECK,
        severity=kind,
        metadata=counts,
        description=f"{counts['breach']:,} breaches, {counts['warning']:,} warnings{first}",
    )


def _shown(found: Audit) -> dict[str, object]:
    """Counts, and the first findings as a table."""
    numbers = {"tables": found.tables, "partitions": found.partitions, "rows": found.rows, "versions": found.versions}
    counts = counted(found.findings)
    metadata: dict[str, object] = {
        "breaches": found.breaches,
        "warnings": len(found.findings) - found.breaches,
        **{f"{name}_read": number for name, number in numbers.items()},
        "seconds": found.seconds,
        "by_check": dg.MetadataValue.json(
            {f"{s}/{check}": n for s, by_check in counts.items() for check, n in by_check.items()}
        ),
    }
    if found.findings:
        records = [dg.TableRecord(finding.as_json()) for finding in found.findings[:_LISTED]]
        metadata["findings"] = dg.MetadataValue.table(records)
    return metadata


def _overlaps(project: Project) -> Mapping[str, object]:
    """How all subsets and versions overlap; a damaged lake has no such table, and the findings say why."""
    try:
        with damage("overlaps cannot be told"):
            matrix = containment_matrix(project)
    except LakeError as error:
        return {"overlaps": fault_lines(error)}
    names = matrix.names[:_MOST_SETS]
    return {"overlaps": dg.MetadataValue.table(_matrix_records(matrix, len(names)))} if names else {}


def _matrix_records(matrix: ContainmentMatrix, size: int) -> list[dg.TableRecord]:
    """A row per set: how many uids it has, and how many of them are in each other set."""
    return [
        dg.TableRecord(
            {"set": matrix.names[i], "uids": matrix.uids[i]} | {f"in {matrix.names[j]}": matrix.both[i][j] for j in range(size)}
        )
        for i in range(size)
    ]


def _audit_schedule(recipe: Recipe) -> dg.ScheduleDefinition:
    setting = recipe.file.audit
    is_on = setting.run == "on_schedule"

    def audit_on_schedule() -> dg.RunRequest | dg.SkipReason:
        try:
            present = load_recipe(recipe.path).file.audit
        except RecipeError as error:
            return dg.SkipReason(fault_lines(error))
        return dg.RunRequest() if present.run == "on_schedule" else dg.SkipReason("audit.run is never: `curate audit` audits")

    try:
        return dg.schedule(
            name="audit_on_schedule",
            description="Requests an audit of the lake where the recipe's audit.run is on_schedule.",
            job_name=JOB,
            cron_schedule=setting.cron,
            execution_timezone=setting.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED,
        )(audit_on_schedule)
    except dg.DagsterInvalidDefinitionError as error:
        raise RecipeError(f"recipe {recipe.path}: audit.cron {setting.cron!r} names no time that ever comes") from error


_MEANING = f"""What does not hold of the lake: a row per finding, breaches first; no row where all is well.

    Reads every table below the lake's root, those of published versions too, and holds it against its log, its records, its
    sources, the manifests and the receipts. It is made by hand or by the schedule audit_on_schedule, and `curate audit` is the
    same without a record. Checks: {", ".join(CHECKS)}.
    """
