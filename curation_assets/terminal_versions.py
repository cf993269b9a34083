"""How the command line shows published versions, proofs and removals."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.markup import escape

from .algorithms.inert import inert
from .terminal import out

if TYPE_CHECKING:
    from .audit.findings import Verified
    from .audit.versions import Version

_LISTED = 50


def published_fields(version: "Version", is_new: bool, note: str) -> dict[str, object]:
    """A publication as one JSON object."""
    names = ("rows", "content_digest", "published_at", "note", "licences")
    fields = {name: version.manifest.get(name) for name in names}
    return {
        "version": version.name,
        "is_new": is_new,
        "path": str(version.folder),
        **fields,
        "is_note_kept": is_new or not note,
    }


def print_published(version: "Version", is_new: bool, note: str) -> None:
    """The version, where it lies, and whether it is new."""
    rows = f"{int(str(version.manifest['rows'])):,} rows, content {version.manifest['content_digest']}"
    if is_new:
        out.print(f"[green]published[/] [bold]{version.name}[/]: {rows}\n{escape(str(version.folder))}")
        return
    out.print(f"unchanged: [bold]{version.name}[/] has this content already: {rows}; no new version")
    if note:
        out.print("the note was not kept: notes belong to new versions")


def verified_fields(found: "Verified") -> dict[str, object]:
    """A proof as one JSON object."""
    return {**asdict(found), "is_sound": found.is_sound}


def print_verified(found: "Verified") -> None:
    """What was checked, and what is wrong with its place."""
    if found.redactions:
        out.print(f"less what was taken down since: receipts {escape(', '.join(found.redactions))}")
    for subset in found.rebuilt:
        out.print(f"decided again: {escape(subset)}")
    for subset, reason in found.not_rebuildable.items():
        out.print(f"[yellow]not decided again[/] {escape(subset)}: {escape(inert(reason, longest=400))}")
    for one in found.findings[:_LISTED]:
        sides = (inert(one.expected, longest=400), inert(one.found, longest=400))
        out.print(f"[red]{escape(inert(one.what))}[/]: {escape(inert(one.where, longest=400))}")
        out.print(f"    expected {escape(sides[0])}\n    found    {escape(sides[1])}")
    if len(found.findings) > _LISTED:
        out.print(f"... and {len(found.findings) - _LISTED:,} more; --json lists all")
    count = f"{found.partitions:,} partitions of frozen tables and {found.rows:,} members"
    if found.is_sound:
        out.print(f"[green]sound[/] [bold]{escape(found.version)}[/]: {count} are as they were published")
    else:
        out.print(f"[red]broken[/] [bold]{escape(found.version)}[/]: {len(found.findings):,} findings in {count}")
