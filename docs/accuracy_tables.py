"""Cells and tables of the page about accuracy."""

from collections.abc import Iterable, Sequence


def share(part: int, whole: int, digits: int = 3) -> str:
    """`1.000 (90 of 90)`, a dash where there is nothing to count."""
    return f"{part / whole:.{digits}f} ({part:,} of {whole:,})" if whole else "-"


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]], *, texts: int = 1) -> str:
    """A Markdown table whose first `texts` columns are aligned left and the others right."""
    rule = ["---" if at < texts else "---:" for at in range(len(head))]
    lines = [head, rule, *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
