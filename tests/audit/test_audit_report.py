"""The audit as an asset: made by hand and by its schedule, with its findings as rows, in the UI and in a check."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from curation_assets.assets.build import build_definitions
from curation_assets.audit.publish import publish
from curation_assets.errors import RecipeError
from curation_assets.holdings.project import Project
from tests.small_project import TinyClip, make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

SECTION = {"run": "on_schedule", "cron": "5 4 * * *", "timezone": "Europe/Berlin"}


@pytest.fixture
def project(applied: tuple, drawn_pool: Path, tmp_path: Path) -> Project:
    """A copy of a curated lake with a published version."""
    shutil.copytree(applied[0].lake.root, tmp_path / "lake")
    made = make_project(tmp_path, drawn_pool / "pool" / "*.tar", audit=SECTION)
    publish(made, "aligned")
    return made


def definitions_of(project: Project) -> dg.Definitions:
    return build_definitions(project.recipe, {"clip": TinyClip()})


def run_audit(project: Project, instance: dg.DagsterInstance) -> tuple[dict[str, object], dg.AssetCheckEvaluation]:
    """Metadata of a materialization by the job, and its check."""
    job = definitions_of(project).get_repository_def().get_job("audit")
    result = job.execute_in_process(instance=instance)
    assert result.success
    (event,) = result.asset_materializations_for_node("audit_report")
    (check,) = result.get_asset_check_evaluations()
    return {name: value.value for name, value in event.metadata.items()}, check


def test_a_clean_lake_is_reported_as_such(project: Project, instance: dg.DagsterInstance):
    metadata, check = run_audit(project, instance)
    assert (metadata["breaches"], metadata["warnings"], metadata["versions_read"]) == (0, 0, 1)
    assert check.passed
    assert project.lake.read("audit_report").num_rows == 0
    overlaps = {record.data["set"]: record.data for record in metadata["overlaps"].records}
    assert set(overlaps) == {"basic", "aligned", "aligned@1"}
    assert overlaps["aligned@1"]["in basic"] == overlaps["aligned@1"]["uids"] == overlaps["aligned"]["in aligned@1"]
    again, _ = run_audit(project, instance)  # it audits its own report as well
    assert (again["breaches"], again["tables_read"]) == (0, metadata["tables_read"] + 1)


def test_findings_are_rows_and_fail_the_check(project: Project, instance: dg.DagsterInstance):
    file = next(Path(project.lake.root, "scores", "clip_score").rglob("*.parquet"))
    file.unlink()
    Path(project.lake.root, "raw_pool", "\x1b[31mstray").write_text("")
    metadata, check = run_audit(project, instance)
    rows = project.lake.read("audit_report").to_pylist()
    assert len(rows) == metadata["breaches"] + metadata["warnings"]
    assert {"missing_file", "unreadable", "orphan_file"} <= {row["broken_check"] for row in rows}
    assert rows[0]["severity"] == "breach"
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert not [row for row in rows for value in row.values() if "\x1b" in value]


def test_warnings_alone_fail_the_check_as_a_warning(project: Project, instance: dg.DagsterInstance):
    Path(project.lake.root, "raw_pool", "stray").write_text("")
    metadata, check = run_audit(project, instance)
    assert (metadata["breaches"], metadata["warnings"]) == (0, 1)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_an_audit_is_no_part_of_plan_and_apply(project: Project, instance: dg.DagsterInstance):
    assert ("audit_report",) not in project.graph
    run_audit(project, instance)
    applied = run_apply(project, instance)
    assert not applied.materialized


@pytest.mark.parametrize("run", ["never", "on_schedule"])
def test_the_schedule_follows_the_recipe(project: Project, drawn_pool: Path, run: str, tmp_path: Path):
    made = make_project(tmp_path, drawn_pool / "pool" / "*.tar", audit={**SECTION, "run": run})
    schedule = definitions_of(made).get_repository_def().get_schedule_def("audit_on_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("5 4 * * *", "Europe/Berlin")
    assert (schedule.default_status is dg.DefaultScheduleStatus.RUNNING) == (run == "on_schedule")
    with dg.build_schedule_context() as context:
        asked = schedule.evaluate_tick(context)
    assert len(asked.run_requests or []) == (run == "on_schedule")
    assert ("audit.run is never" in (asked.skip_message or "")) == (run == "never")


def test_times_that_never_come_are_a_fault_of_the_recipe(drawn_pool: Path, tmp_path: Path):
    made = make_project(tmp_path, drawn_pool / "pool" / "*.tar", audit={**SECTION, "cron": "0 0 30 2 *"})
    with pytest.raises(RecipeError, match=r"audit\.cron '0 0 30 2 \*' names no time that ever comes"):
        definitions_of(made)
