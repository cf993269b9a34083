"""`curate audit`: exit codes, one JSON object, hostile names made harmless."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from curation_assets.cli import app
from curation_assets.holdings.project import Project
from tests.small_project import make_project


@pytest.fixture
def project(applied: tuple, drawn_pool: Path, tmp_path: Path) -> Project:
    shutil.copytree(applied[0].lake.root, tmp_path / "lake")
    return make_project(tmp_path, drawn_pool / "pool" / "*.tar")


def curate_audit(project: Project, *options: str) -> Result:
    return CliRunner().invoke(app, ["audit", "--recipe", str(project.recipe.path), *options])


def test_a_clean_lake_exits_with_0(project: Project):
    found = curate_audit(project, "--strict")
    assert found.exit_code == 0
    assert "0 breaches, 0 warnings in" in found.stdout


def test_warnings_count_when_strict_and_names_are_inert(project: Project):
    Path(project.lake.root, "raw_pool", "\x1b[31m[bold]\u202estray").write_text("")
    found = curate_audit(project, "--quick")
    assert found.exit_code == 0
    assert "warning orphan_file" in found.stdout
    assert "without digests" in found.stdout
    assert not {"\x1b", "\u202e"} & set(found.stdout)
    assert curate_audit(project, "--quick", "--strict").exit_code == 1


def test_a_breach_exits_with_1_and_json_has_all(project: Project):
    next(Path(project.lake.root, "scores", "clip_score").rglob("*.parquet")).unlink()
    found = curate_audit(project, "--json")
    assert found.exit_code == 1
    told = json.loads(found.stdout)
    assert told["is_passed"] is False
    assert told["counts"]["breach"] == {"missing_file": 1, "unreadable": 1}
    assert {finding["table"] for finding in told["findings"]} == {"scores/clip_score"}
    assert set(told["findings"][0]) == {"check", "severity", "table", "partition", "place", "expected", "found", "remedy"}


def test_many_findings_of_a_check_are_counted_and_not_all_shown(project: Project):
    for number in range(30):
        Path(project.lake.root, "raw_pool", f"stray_{number}").write_text("")
    found = curate_audit(project, "--quick")
    assert found.stdout.count("warning orphan_file") == 20
    assert "30 warnings in" in found.stdout


def test_an_unknown_option_exits_with_2(project: Project):
    assert curate_audit(project, "--no-such-option").exit_code == 2
