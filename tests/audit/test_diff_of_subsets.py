"""`curate diff` between two live subsets of the shared project, against plain sets of uids."""

import dagster as dg
from typer.testing import CliRunner

from curation_assets.assets.apply import Applied
from curation_assets.audit.diff import diff
from curation_assets.cli import app
from curation_assets.holdings.project import Project

Curated = tuple[Project, Applied, dg.DagsterInstance]


def test_a_subset_against_the_one_that_it_narrows(applied: Curated) -> None:
    project = applied[0]
    rows = {name: project.lake.read(f"subsets/{name}").to_pylist() for name in ("basic", "aligned")}
    old, new = ({(row["uid_hi"], row["uid_lo"]) for row in rows[name]} for name in rows)
    found, mirrored = diff(project, "basic", "aligned", 10_000), diff(project, "aligned", "basic", 0)
    expected = {f"{hi % 2**64:016x}{lo % 2**64:016x}" for hi, lo in old - new}
    assert {sample.uid for sample in found.samples if sample.change == "removed"} == expected
    assert [(c.cause.text, c.added, c.removed) for c in found.causes] == [
        ("filter added: aligned.clip_score", 0, len(old - new)),
    ]
    assert [(c.cause.text, c.added) for c in mirrored.causes] == [("filter removed: aligned.clip_score", len(old - new))]


def test_the_command_exits_with_1_when_the_samples_differ(applied: Curated) -> None:
    recipe = ["--recipe", str(applied[0].recipe.path)]
    assert CliRunner().invoke(app, ["diff", "basic", "basic", *recipe]).exit_code == 0
    assert CliRunner().invoke(app, ["diff", "basic", "aligned", *recipe]).exit_code == 1
