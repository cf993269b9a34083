"""How the command line shows answers about samples and findings about a lake."""

from typing import TYPE_CHECKING

from rich.markup import escape

from .terminal import out, table

if TYPE_CHECKING:
    from .audit.audit import Audit

_COLOURS = {"breach": "red", "warning": "yellow"}
# Of one check; a damaged disk has thousands, and --json has them all.
_MOST_SHOWN = 20


def print_audit(found: "Audit") -> None:
    """The findings of an audit by check, and what was read."""
    shown: dict[tuple[str, str], int] = {}
    for finding in found.findings:
        kind = (finding.severity, finding.check)
        shown[kind] = shown.get(kind, 0) + 1
        if shown[kind] > _MOST_SHOWN:
            continue
        where = finding.table + (f"[{finding.partition}]" if finding.partition else "")
        place = f" {finding.place}" if finding.place else ""
        out.print(f"[{_COLOURS[finding.severity]}]{finding.severity}[/] [bold]{finding.check}[/]  {escape(where + place)}")
        out.print(f"    expected {escape(finding.expected)}; found {escape(finding.found)}")
        out.print(f"    [dim]{escape(finding.remedy)}[/]")
    if shown:
        counts = table("check", "severity", "findings")
        for (severity, check), count in shown.items():
            counts.add_row(check, severity, f"{count:,}")
        out.print("\n", counts, "\n")
    breaches = f"{found.breaches:,} breach{'es' * (found.breaches != 1)}"
    read = f"{found.tables:,} tables, {found.partitions:,} partitions, {found.rows:,} rows, {found.versions:,} versions"
    quick = ", without digests" if found.is_quick else ""
    out.print(f"{breaches}, {len(found.findings) - found.breaches:,} warnings in {read}{quick}")
