"""The command `curate`: arguments in, tables out. No logic of its own; everything heavy is imported when a command runs.

Exit codes: 0 done, 1 something failed or broke its check, 2 the command or the recipe asks for something that cannot be
(of `plan`: something is out of date; 1 it cannot be planned), 130 interrupted.
"""

import logging
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from .cli_audit import audit_commands
from .cli_options import JsonOption, RecipeOption, SelectOption, project_of
from .cli_versions import version_commands
from .errors import CurationError
from .terminal import (
    err,
    out,
    print_applied,
    print_caught,
    print_funnels,
    print_json,
    print_methods,
    print_plan,
    print_preview,
    print_status,
    progress,
    ui_command,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .assets.apply import Applied
    from .holdings.project import Project

app = typer.Typer(
    help="Turn a raw pool of image-text pairs into training sets that can be trusted and explained.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Entry point: an error of ours is one message and exit code 2; anything else keeps its traceback."""
    try:
        app()
    except CurationError as error:
        err.print(f"[bold red]error[/] {escape(str(error))}")
        sys.exit(2)


@app.command(epilog="Example: curate demo /tmp/demo --samples 500")
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to draw the pool and keep the lake.")] = Path(),
    shards: Annotated[int, typer.Option(help="Tar files to draw.")] = 4,
    samples: Annotated[int, typer.Option(help="Samples per tar file.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the drawn pool.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw a pool with planted defects, curate it, and show what was caught."""
    from .assets.instance import project_instance
    from .demo.run import run_demo

    with _interruptible():
        result = run_demo(folder, (shards, samples, seed), project_instance, progress)
    if as_json:
        caught = [{**asdict(c), "precision": c.precision, "recall": c.recall} for c in result.caught]
        funnels = [asdict(f) for f in result.funnels]
        print_json({"applied": asdict(result.applied), "funnels": funnels, "caught": caught, "report": str(result.report)})
    else:
        print_applied(result.applied)
        print_funnels(result.funnels)
        print_caught(result.caught)
        if result.report:
            out.print(f"\nreport: {escape(str(result.report))}\nUI:     {escape(ui_command(folder))}")
    _exit_if_failed(result.applied)


@app.command(epilog="Example: curate plan --select 'subsets/*'")
def plan(recipe: RecipeOption = None, select: SelectOption = None, as_json: JsonOption = False) -> None:
    """Show what would run, why, and what it will probably cost; exit code 2 if something is out of date."""
    try:
        is_out_of_date = _show_plan(project_of(recipe), select or [], as_json)
    except CurationError as error:
        err.print(f"[bold red]error[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    raise typer.Exit(2 if is_out_of_date else 0)


@app.command(epilog="Example: curate apply --select subsets/basic --jobs 4")
def apply(
    recipe: RecipeOption = None,
    select: SelectOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that make partitions at the same time.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Materialize what is missing or out of date, through the Dagster instance."""
    from .assets.apply import Settings
    from .assets.apply import apply as apply_project
    from .assets.build import build_definitions
    from .assets.instance import project_instance

    project = project_of(recipe)
    if dry_run:
        _show_plan(project, select or [], as_json)
        return
    instance = project_instance(project.recipe.folder)
    settings = Settings(select=select or [], jobs=jobs)
    with _interruptible():
        applied = apply_project(project, build_definitions(project.recipe), instance, progress, settings)
    if as_json:
        print_json(asdict(applied))
    else:
        print_applied(applied)
    _exit_if_failed(applied)


@app.command(epilog="Example: curate preview aligned --set clip_score.top_fraction=0.2 --set basic.caption_length.min_words=5")
def preview(
    subset: Annotated[str, typer.Argument(help="Name of a subset in the recipe.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FILTER.PARAM=VALUE",
            help="Another value for a filter of SUBSET, or with SUBSET.FILTER.PARAM=VALUE of a subset that it narrows; "
            "repeatable. Without any, what can be set is listed.",
        ),
    ] = None,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count what other parameters would keep, from stored scores; nothing is written."""
    from .assets.preview import preview as preview_subset

    found = preview_subset(project_of(recipe), subset, settings or [])
    if as_json:
        print_json(asdict(found))
    else:
        print_preview(found)


@app.command(epilog="Example: curate status --json")
def status(recipe: RecipeOption = None, as_json: JsonOption = False) -> None:
    """Show tables, versions, rows, what each subset kept, and what is out of date."""
    from .holdings.state import read_state
    from .holdings.status import artifact_status, pool_funnel, subset_funnels

    state = read_state(project_of(recipe))
    artifacts = [artifact_status(state, node) for node in state.project.graph.values()]
    has_pool = bool(state.records[("raw_pool",)])
    funnels = [pool_funnel(state), *subset_funnels(state)] if has_pool else []
    if as_json:
        print_json({"artifacts": [asdict(a) for a in artifacts], "funnels": [asdict(f) for f in funnels]})
        return
    print_status(artifacts)
    print_funnels(funnels)


@app.command(epilog="Example: curate filters semdedup --json")
def filters(
    words: Annotated[list[str] | None, typer.Argument(help="Only those with one of these words in name or summary.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List every score and filter: what it does, its settings with their bounds, and where it comes from."""
    from .methods import all_methods, matching

    found = matching(all_methods(), words or [])
    if as_json:
        print_json([asdict(method) for method in found])
    else:
        print_methods(found)


@app.command(epilog="Example: curate export basic --format datacomp --out basic.npy")
def export(
    subset: Annotated[str, typer.Argument(help="Subset of the recipe, or published version: basic@2.")],
    *,
    form: Annotated[str, typer.Option("--format", help="datacomp (sorted u8,u8 .npy) or parquet.")] = "datacomp",
    copies: Annotated[
        str | None, typer.Option("--copies", help="Score column that says how often each row is written: image_based_copies.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", help="File to write; else SUBSET.npy or SUBSET.parquet.")] = None,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a subset or a published version as a file that other tools read."""
    from .assets.export import export_subset

    path = to or Path(f"{subset}.{'npy' if form == 'datacomp' else 'parquet'}")
    path, rows = export_subset(project_of(recipe), subset, form, path, copies)
    if as_json:
        print_json({"path": str(path), "rows": rows, "format": form})
    else:
        out.print(f"{rows:,} rows of {escape(subset)} in {escape(str(path))}")


@contextmanager
def _interruptible() -> "Iterator[None]":
    """Ctrl-C is one line and exit code 130, as shells have it."""
    # Ctrl-C while Dagster closes a connection to its events would be logged with its traceback, and then end us all the same.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    try:
        yield
    except KeyboardInterrupt:
        err.print("[yellow]interrupted[/]; what was made stays, and the same command goes on from there")
        raise typer.Exit(130) from None


def _show_plan(project: "Project", select: list[str], as_json: bool) -> bool:
    """Print the plan; whether anything is out of date."""
    from .assets.plan import plan_project
    from .assets.plan_summary import as_json as plan_as_json
    from .assets.plan_summary import by_artifact, notes
    from .holdings.state import read_state

    planned = plan_project(read_state(project), select)
    if as_json:
        print_json(plan_as_json(planned))
    else:
        print_plan(by_artifact(planned), notes(planned))
    return bool(planned.due)


def _exit_if_failed(applied: "Applied") -> None:
    if applied.failed or applied.held_back:
        raise typer.Exit(1)


app.add_typer(audit_commands)
app.add_typer(version_commands)
