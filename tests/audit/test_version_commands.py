"""`curate publish` and `curate verify` as a user types them: what is printed, JSON, exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from curation_assets.cli_versions import version_commands
from curation_assets.errors import ArgumentError
from curation_assets.holdings.project import Project
from tests.audit.published_projects import curated

pytestmark = pytest.mark.slow  # makes lakes


@pytest.fixture(scope="module")
def project(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return curated(tmp_path_factory.mktemp("commands"), drawn_pool)


@pytest.fixture(scope="module")
def app() -> Iterator[typer.Typer]:
    made = typer.Typer()
    made.add_typer(version_commands)
    return made


def run(app: typer.Typer, project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--recipe", str(project.recipe.path)])


def test_publish_and_verify(app: typer.Typer, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    from curation_assets.terminal import out

    def shown(*arguments: str) -> tuple[int, str]:
        with out.capture() as captured:
            result = run(app, project, *arguments)
        return result.exit_code, captured.get() + result.output

    code, text = shown("publish", "basic", "--note", "[red]one\x1b[31m")
    assert (code, text.splitlines()[0].split(":")[0]) == (0, "published basic@1")
    assert str(Path(project.lake.root) / "published" / "basic" / "v1") in text
    code, text = shown("publish", "basic", "--note", "two")
    assert code == 0
    assert text.startswith("unchanged: basic@1 has this content already: ")
    assert text.endswith("no new version\nthe note was not kept: notes belong to new versions\n")
    code, text = shown("publish", "basic", "--json")
    found = json.loads(text)
    assert (found["version"], found["is_new"], found["is_note_kept"]) == ("basic@1", False, True)
    assert found["note"] == "[red]one\x1b[31m"
    assert text.isascii()
    code, text = shown("verify", "basic@1", "--rebuild")
    assert (code, text.splitlines()[0]) == (0, "decided again: basic")
    assert "sound basic@1: " in text

    members = next((Path(project.lake.root) / "published/basic/v1/members").rglob("*.parquet"))
    damaged = bytearray(members.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    members.write_bytes(damaged)
    code, text = shown("verify", "basic@v1")
    assert code == 1
    assert f"a file was changed: members/{members.name}\n    expected " in text
    assert text.splitlines()[-1].startswith("broken basic@1: ")
    code, text = shown("verify", "basic@1", "--json")
    found = json.loads(text)
    assert (code, found["is_sound"], found["findings"][0]["where"]) == (1, False, f"members/{members.name}")


def test_mistakes_are_errors_of_ours(app: typer.Typer, project: Project) -> None:
    for arguments in (("publish", "x"), ("verify", "basic"), ("verify", "basic@x"), ("verify", "aligned@9")):
        assert isinstance(run(app, project, *arguments).exception, ArgumentError), arguments
    for command in ("publish", "verify"):
        assert "Example: curate" in run(app, project, command, "--help").output
