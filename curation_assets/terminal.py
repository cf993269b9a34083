"""How the command line shows results: tables and trees on standard output, progress and errors on standard error."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

if TYPE_CHECKING:
    from .assets.apply import Applied
    from .assets.plan_summary import ArtifactPlan
    from .assets.preview import Preview
    from .demo.scoring import Caught
    from .holdings.status import ArtifactStatus, Funnel
    from .methods import Method

# No emoji: a caption or a key that says :cat: is shown as it is.
out = Console(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)  # a pipe has no width
err = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def progress(line: str) -> None:
    """A line on what is being done."""
    err.print(f"[bold]{escape(line)}[/]")


def print_json(value: object) -> None:
    """One JSON object, in ASCII."""
    print(json.dumps(value, indent=2, ensure_ascii=True))


def print_applied(applied: "Applied") -> None:
    """What was made, what failed, and what waits for it."""
    counts = (f"{len(applied.materialized)} made", f"{len(applied.failed)} failed")
    out.print(f"\n{', '.join(counts)}, {len(applied.held_back)} held back, {applied.up_to_date} up to date")
    for name, reason in applied.failed.items():
        out.print(f"[red]failed[/]     {escape(name)}: {escape(reason)}")
    for name, reason in list(applied.held_back.items())[:20]:
        out.print(f"[yellow]held back[/]  {escape(name)}: {escape(reason)}")


def print_plan(artifacts: "Sequence[ArtifactPlan]", notes: Sequence[str]) -> None:
    """A tree of what would run: what changed at the root, below it what runs only if that comes out differently."""
    if not artifacts:
        out.print("everything is up to date")
    total = Tree("[bold]would run[/]") if artifacts else None
    branches: dict[str, Tree] = {}
    for line in artifacts:
        parent = branches.get(line.after or "", total)
        if parent is not None:
            branches[line.name] = parent.add(_plan_line(line))
    if total is not None:
        out.print(total)
        seconds = [line.seconds for line in artifacts]
        gpu = [line.gpu_seconds for line in artifacts if line.gpu_seconds]
        unknown = "" if None not in seconds else ", and what has never been made"
        known = sum(s for s in seconds if s is not None)
        partitions = sum(line.partitions for line in artifacts)
        out.print(f"{partitions:,} partitions, about {_duration(known)}{unknown}; on a GPU {_duration(sum(gpu))}")
    for note in notes:
        out.print(escape(note))


def print_status(artifacts: "Sequence[ArtifactStatus]") -> None:
    """A row per artifact."""
    shown = table("artifact", "made", "out of date", "failed", "rows", "version", "why out of date")
    for a in artifacts:
        version = "" if a.delta_version is None else str(a.delta_version)
        cells = (f"{a.made}/{a.partitions}", str(a.out_of_date or ""), str(a.failed or ""), f"{a.rows:,}", version)
        shown.add_row(a.name, *cells, escape(a.reasons[0]) if a.reasons else "")
    out.print(shown)


def print_funnels(funnels: "Sequence[Funnel]") -> None:
    """Rows in, rows kept, and what dropped the others."""
    if not funnels:
        return
    shown = table("set", "from", "in", "kept", "share", "dropped by")
    for f in funnels:
        shown.add_row(f.subset, *_funnel_cells(f))
    out.print("\n", shown)


def print_preview(found: "Preview") -> None:
    """What changed, the funnels as stored and as they would be, and what the numbers do not know."""
    for c in found.changes:
        old, new = ("null" if value is None else str(value) for value in (c.old, c.new))
        out.print(f"{escape(f'{c.subset}.{c.filter}.{c.parameter}')}: {escape(old)} -> [bold]{escape(new)}[/]")
    if not found.changes:
        out.print("the recipe has these values already")
    shown = table("set", "", "from", "in", "kept", "share", "dropped by")
    for each in found.subsets:
        for word, f in (("stored", each.stored), ("changed", each.changed)):
            if f is not None:
                shown.add_row(f.subset, word, *_funnel_cells(f))
    out.print("\n", shown)
    last = found.subsets[-1]
    moved = "was never made" if last.stored is None else f"+{last.added:,} rows, -{last.removed:,} rows"
    out.print(f"\n{escape(found.subset)}: {moved}; {found.shards:,} shards counted, nothing was written")
    if found.unusable:
        some = escape(", ".join(found.unusable[:5]) + ("..." if len(found.unusable) > 5 else ""))
        count = f"{len(found.unusable):,} shards whose tables have not followed a new tar"
        out.print(f"[yellow]not counted[/]   {count}: {some}; run curate apply")
    if found.out_of_date:
        parts = ", ".join(f"{name} ({count:,})" for name, count in found.out_of_date.items())
        out.print(f"[yellow]out of date[/]   used as stored: {escape(parts)}; curate plan says why")
    if found.measured_again:
        names = escape(", ".join(found.measured_again))
        out.print(
            f"[yellow]would change[/]  {names}: the encoder learns from a changed subset, and these are its scores of now"
        )


def print_caught(caught: "Sequence[Caught]") -> None:
    """Planted defects against what filters dropped."""
    if not caught:
        return
    shown = table("filter", "planted", "samples", "dropped", "caught", "precision", "recall")
    for c in caught:
        counts = (f"{c.planted:,}", f"{c.dropped:,}", f"{c.caught:,}")
        ratios = ("" if ratio is None else f"{ratio:.3f}" for ratio in (c.precision, c.recall))
        shown.add_row(c.filter, c.planted_as, *counts, *ratios)
    out.print("\n", shown)


def table(*head: str) -> Table:
    """A table without lines; the name in the first column is never cut."""
    made = Table(box=None)
    for i, name in enumerate(head):
        made.add_column(name, no_wrap=i == 0, overflow="fold")
    return made


def _funnel_cells(f: "Funnel") -> tuple[str, ...]:
    reasons = ", ".join(f"{name} {count:,}" for name, count in f.dropped_by.items())
    return f.source, f"{f.rows_in:,}", f"{f.kept:,}", f"{f.kept / f.rows_in:.1%}" if f.rows_in else "", escape(reasons)


def _plan_line(line: "ArtifactPlan") -> str:
    count = f"{line.partitions:,} partition{'s' * (line.partitions != 1)}"
    if line.certain < line.partitions:
        count += f" ({line.certain:,} for certain)" if line.certain else " (perhaps)"
    cost = [f"{line.rows:,} rows", *([_size(line.bytes)] if line.bytes else [])]
    cost.append("never made before" if line.seconds is None else f"about {_duration(line.seconds)}")
    if line.gpu_seconds:
        cost.append(f"{_duration(line.gpu_seconds)} on a GPU")
    faults = [f"[yellow]{line.blocked:,} wait for a failed check[/]"] if line.blocked else []
    faults += [f"[red]{line.failed_before:,} failed before with the same inputs[/]"] if line.failed_before else []
    causes = "".join(f"\n  [dim]{escape(cause)}{f' (x {n:,})' if n > 1 else ''}[/]" for cause, n in line.causes.items())
    return f"[bold]{escape(line.name)}[/]  {', '.join([count, *cost, *faults])}{causes}"


def _size(count: int) -> str:
    units = ("B", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, max(0, (len(str(count)) - 1) // 3))
    return f"{count / 1000**power:.3g} {units[power]}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def print_methods(methods: "Sequence[Method]") -> None:
    """Scores and filters, one below the other, with their settings; thresholds on columns stand with their scores."""
    for method in methods:
        if method.kind == "threshold":
            continue
        scope = f" of {method.scope} scope" if method.scope else ""
        out.print(f"[bold]{escape(method.name)}[/]  [dim]{method.kind}{scope}[/]\n    {escape(method.summary)}")
        for column, meaning in method.columns.items():
            out.print(f"    [green]{escape(column)}[/]: {escape(meaning)}")
        for setting in method.settings:
            given = f"{setting.name} = {escape(repr(setting.default))}"
            out.print(f"    {given}  [dim]{escape(setting.allowed)}[/]: {escape(setting.meaning)}")
        if method.stands_for:
            out.print(f"    stands for {escape(json.dumps(list(method.stands_for)))}")
        out.print(f"    [dim]{escape(method.source)}[/]")
    out.print("\nEvery numeric column is a filter, too: {column: {min, max}}, or {column: {top_fraction, over}}")


def ui_command(folder: Path) -> str:
    """What opens the instance that the demo's runs are in."""
    if folder.resolve() == Path.cwd() and Path("Makefile").is_file():
        return "make ui"
    home = os.environ["DAGSTER_HOME"]
    return (
        f"DAGSTER_HOME={home} CURATION_RECIPE={folder.resolve() / 'curation.yaml'} dagster dev -m curation_assets.definitions"
    )
