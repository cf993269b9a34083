"""The command `curate`: arguments in, tables out. No logic of its own; everything heavy is imported when a command runs.

Exit codes: 0 done, 1 something failed or broke its check, 2 the command or the recipe asks for something that cannot be,
130 interrupted.
"""

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .errors import CurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .assets.apply import Applied
    from .assets.project import Project
    from .assets.status import Funnel
    from .demo.scoring import Caught

app = typer.Typer(
    help="Turn a raw pool of image-text pairs into training sets that can be trusted and explained.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)  # a pipe has no width
err = Console(stderr=True, highlight=False, soft_wrap=True)

RecipeOption = Annotated[
    Path | None, typer.Option("--recipe", help="Recipe file; else $CURATION_RECIPE, else ./curation.yaml.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


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
        result = run_demo(folder, (shards, samples, seed), project_instance, _progress)
    if as_json:
        caught = [{**asdict(c), "precision": c.precision, "recall": c.recall} for c in result.caught]
        funnels = [asdict(f) for f in result.funnels]
        _print_json({"applied": asdict(result.applied), "funnels": funnels, "caught": caught, "report": str(result.report)})
    else:
        _print_applied(result.applied)
        _print_funnels(result.funnels)
        _print_caught(result.caught)
        if result.report:
            out.print(f"\nreport: {escape(str(result.report))}\nUI:     {escape(_ui_command(folder))}")
    _exit_if_failed(result.applied)


@app.command(epilog="Example: curate apply --recipe curation.yaml")
def apply(recipe: RecipeOption = None, as_json: JsonOption = False) -> None:
    """Materialize what is missing or out of date, through the Dagster instance."""
    from .assets.apply import apply as apply_project
    from .assets.build import build_definitions
    from .assets.instance import project_instance

    project = _project(recipe)
    instance = project_instance(project.recipe.folder)
    with _interruptible():
        applied = apply_project(project, build_definitions(project.recipe), instance, _progress)
    if as_json:
        _print_json(asdict(applied))
    else:
        _print_applied(applied)
    _exit_if_failed(applied)


@app.command(epilog="Example: curate status --json")
def status(recipe: RecipeOption = None, as_json: JsonOption = False) -> None:
    """Show tables, versions, rows, what each subset kept, and what is out of date."""
    from .assets.state import read_state
    from .assets.status import artifact_status, pool_funnel, subset_funnels

    state = read_state(_project(recipe))
    artifacts = [artifact_status(state, node) for node in state.project.graph.values()]
    has_pool = bool(state.records[("raw_pool",)])
    funnels = [pool_funnel(state), *subset_funnels(state)] if has_pool else []
    if as_json:
        _print_json({"artifacts": [asdict(a) for a in artifacts], "funnels": [asdict(f) for f in funnels]})
        return
    table = _table("artifact", "made", "out of date", "failed", "rows", "version", "why out of date")
    for a in artifacts:
        version = "" if a.delta_version is None else str(a.delta_version)
        cells = (f"{a.made}/{a.partitions}", str(a.out_of_date or ""), str(a.failed or ""), f"{a.rows:,}", version)
        table.add_row(a.name, *cells, escape(a.reasons[0]) if a.reasons else "")
    out.print(table)
    _print_funnels(funnels)


@app.command(epilog="Example: curate export basic --format datacomp --out basic.npy")
def export(
    subset: Annotated[str, typer.Argument(help="Name of a subset in the recipe.")],
    form: Annotated[str, typer.Option("--format", help="datacomp (sorted u8,u8 .npy) or parquet.")] = "datacomp",
    to: Annotated[Path | None, typer.Option("--out", help="File to write; else SUBSET.npy or SUBSET.parquet.")] = None,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a subset as a file that other tools read."""
    from .assets.export import export_subset

    path = to or Path(f"{subset}.{'npy' if form == 'datacomp' else 'parquet'}")
    path, rows = export_subset(_project(recipe), subset, form, path)
    if as_json:
        _print_json({"path": str(path), "rows": rows, "format": form})
    else:
        out.print(f"{rows:,} rows of {escape(subset)} in {escape(str(path))}")


def _project(recipe: Path | None) -> "Project":
    from .assets.project import open_project
    from .recipe import load_recipe

    return open_project(load_recipe(recipe))


@contextmanager
def _interruptible() -> "Iterator[None]":
    """Ctrl-C is one line and exit code 130, as shells have it."""
    try:
        yield
    except KeyboardInterrupt:
        err.print("[yellow]interrupted[/]; what was made stays, and the same command goes on from there")
        raise typer.Exit(130) from None


def _progress(line: str) -> None:
    err.print(f"[bold]{escape(line)}[/]")


def _ui_command(folder: Path) -> str:
    """What opens the instance that the demo's runs are in."""
    if folder.resolve() == Path.cwd() and Path("Makefile").is_file():
        return "make ui"
    home = os.environ["DAGSTER_HOME"]
    return (
        f"DAGSTER_HOME={home} CURATION_RECIPE={folder.resolve() / 'curation.yaml'} dagster dev -m curation_assets.definitions"
    )


def _table(*head: str) -> Table:
    """A table without lines; the name in the first column is never cut."""
    table = Table(box=None)
    for i, name in enumerate(head):
        table.add_column(name, no_wrap=i == 0, overflow="fold")
    return table


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=True))


def _print_applied(applied: "Applied") -> None:
    counts = (f"{len(applied.materialized)} made", f"{len(applied.failed)} failed")
    out.print(f"\n{', '.join(counts)}, {len(applied.held_back)} held back, {applied.up_to_date} up to date")
    for name, reason in applied.failed.items():
        out.print(f"[red]failed[/]     {escape(name)}: {escape(reason)}")
    for name, reason in list(applied.held_back.items())[:20]:
        out.print(f"[yellow]held back[/]  {escape(name)}: {escape(reason)}")


def _print_funnels(funnels: "Sequence[Funnel]") -> None:
    if not funnels:
        return
    table = _table("set", "from", "in", "kept", "share", "dropped by")
    for f in funnels:
        reasons = ", ".join(f"{name} {count:,}" for name, count in f.dropped_by.items())
        share = f"{f.kept / f.rows_in:.1%}" if f.rows_in else ""
        table.add_row(f.subset, f.source, f"{f.rows_in:,}", f"{f.kept:,}", share, escape(reasons))
    out.print("\n", table)


def _print_caught(caught: "Sequence[Caught]") -> None:
    if not caught:
        return
    table = _table("filter", "planted", "samples", "dropped", "caught", "precision", "recall")
    for c in caught:
        counts = (f"{c.planted:,}", f"{c.dropped:,}", f"{c.caught:,}")
        ratios = ("" if ratio is None else f"{ratio:.3f}" for ratio in (c.precision, c.recall))
        table.add_row(c.filter, c.planted_as, *counts, *ratios)
    out.print("\n", table)


def _exit_if_failed(applied: "Applied") -> None:
    if applied.failed or applied.held_back:
        raise typer.Exit(1)
