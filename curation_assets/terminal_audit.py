"""How the command line shows answers about samples and findings about a lake."""

from typing import TYPE_CHECKING

from rich.markup import escape

from .algorithms.inert import inert
from .terminal import out, table

if TYPE_CHECKING:
    from .audit.diff import Diff, Sample


def print_diff(found: "Diff") -> None:
    """Rows that come and go by cause, and a few of them."""
    sides = (f"{escape(side.name)} ({side.rows:,} rows)" for side in (found.a, found.b))
    out.print(f"{' -> '.join(sides)}: +{found.added:,} rows, -{found.removed:,} rows")
    if found.is_equal:
        out.print(f"the same samples; {found.shards_read:,} of {found.shards:,} shards had to be read")
        return
    causes = table("cause", "added", "removed")
    for count in found.causes:
        causes.add_row(escape(inert(count.cause.text, longest=300)), _count(count.added), _count(count.removed))
    out.print("\n", causes)
    if found.samples:
        samples = table("uid", "", "shard", "row", "caption", "cause", "values")
        for sample in found.samples:
            samples.add_row(*_sample_cells(sample))
        out.print("\n", samples)


def _sample_cells(sample: "Sample") -> tuple[str, ...]:
    values = "" if sample.cause.column is None else f"{_value(sample.old)} -> {_value(sample.new)}"
    cause = inert(sample.cause.text, longest=300)
    cells = (sample.shard, str(sample.row), sample.caption, cause, values)
    return sample.uid, "+" if sample.change == "added" else "-", *map(escape, cells)


def _value(value: object) -> str:
    if value is None:
        return "null"
    return f"{value:.6g}" if isinstance(value, float) else inert(str(value), longest=60)


def _count(rows: int) -> str:
    return f"{rows:,}" if rows else ""
