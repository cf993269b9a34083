"""why, which and contains as commands: JSON, tables, exit codes, and hostile texts that stay harmless."""

import dataclasses
import json
import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from curation_assets.audit.which import which
from curation_assets.audit.why import why
from curation_assets.cli import app
from curation_assets.errors import ArgumentError
from curation_assets.holdings.project import Project, open_project
from curation_assets.recipe import check_recipe
from curation_assets.terminal_audit import print_why
from resources.delta import Part
from tests.asked_project import decided, joined

pytestmark = pytest.mark.slow  # makes lakes


def curate(project: Project, *arguments: str) -> tuple[int, str]:
    ran = CliRunner().invoke(app, [*arguments, "--recipe", str(project.recipe.path)])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.stdout


@pytest.mark.parametrize("command", ["why", "which", "contains"])
def test_help_has_an_example(command: str) -> None:
    ran = CliRunner().invoke(app, [command, "--help"])
    assert ran.exit_code == 0
    assert f"Example: curate {command}" in ran.stdout


def test_why_prints_what_the_function_answers(asked: Project) -> None:
    uid = joined(asked.lake.root)["uid"][3]
    for reference in ("mixed", "mixed@1"):
        code, text = curate(asked, "why", uid, "--in", reference, "--json")
        assert (code, json.loads(text)) == (0, json.loads(json.dumps(dataclasses.asdict(why(asked, uid, reference)))))
        assert text.isascii()


def test_why_shows_the_story(asked: Project) -> None:
    rows = joined(asked.lake.root)
    for name, (is_kept, by) in zip(rows["uid"].to_list(), decided(rows)["mixed"], strict=True):
        if is_kept is False:
            code, text = curate(asked, "why", name, "--in", "mixed")
            assert code == 0
            assert f"dropped in mixed by {by}" in text
            assert all(word in text for word in ("clip_score", "neighbours", "margin", "pool/0000", "fails"))
            break


def test_why_of_what_is_nowhere_exits_with_1(asked: Project) -> None:
    code, text = curate(asked, "why", "0" * 32, "--in", "mixed")
    assert code == 1
    assert "is nowhere in 164 rows of 2 shards, nor among" in text
    assert "a rejected sample is known by SHARD/KEY alone" in text
    assert "SHARD/KEY" not in curate(asked, "why", "00000/nothing", "--in", "mixed")[1]
    with pytest.raises(ArgumentError, match="names no sample"):
        curate(asked, "why", "nonsense", "--in", "mixed")


def test_which_prints_what_the_function_answers(asked: Project) -> None:
    uid = joined(asked.lake.root)["uid"][3]
    code, text = curate(asked, "which", uid, "--json")
    assert (code, json.loads(text)) == (0, json.loads(json.dumps(dataclasses.asdict(which(asked, uid)))))
    code, text = curate(asked, "which", "example.com")
    assert code == 0
    assert "samples match example.com in 164 rows, 3 subsets and 1 published versions" in text
    assert "and 16 more; --json lists all" in text
    assert curate(asked, "which", "f" * 64)[0] == 1
    code, text = curate(asked, "which", "photo.jpg")  # mistyped: as a domain it would silently be nowhere
    assert (code, "read as a domain: no file here has that name" in text) == (1, True)


def test_contains_exits_by_its_answer(asked: Project) -> None:
    code, text = curate(asked, "contains", "mixed@1", "basic")
    assert code == 0
    assert "mixed@1 lies inside basic" in text
    code, text = curate(asked, "contains", "basic", "mixed@1", "--json")
    assert (code, json.loads(text)["a_in_b"], json.loads(text)["schema"]) == (1, False, 1)


def test_hostile_texts_are_shown_harmless(asked: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(asked.lake.root, tmp_path / "lake")
    content = {**asked.recipe.file.model_dump(mode="json", by_alias=True), "lake": str(tmp_path / "lake")}
    copy = open_project(check_recipe(content, asked.recipe.path))
    pool = copy.lake.read("raw_pool", shard="00000")
    hostile = "\x1b[31m[red]\u202eevil[/nonsense]\r\n:cat:"
    for name in ("text", "url", "key"):
        at = pool.column_names.index(name)
        pool = pool.set_column(at, pool.schema.field(name), pa.array([hostile] * len(pool)))
    copy.lake.write("raw_pool", [Part("00000", pool, copy.lake.records("raw_pool")["00000"])])
    uid = joined(copy.lake.root).filter(pl.col("shard") == "00000")["uid"][0]
    print_why(why(copy, uid, "mixed"))
    shown = capsys.readouterr().out
    assert "\x1b[31m" not in shown
    assert "\u202e" not in shown
    assert "⟨U+001B⟩[31m[red]⟨U+202E⟩evil[/nonsense]  :cat:" in shown
