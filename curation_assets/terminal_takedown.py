"""How the command line shows removals."""

from typing import TYPE_CHECKING

from rich.markup import escape

from .algorithms.inert import inert
from .terminal import err, out, table

if TYPE_CHECKING:
    from .audit.takedown_plan import Takedown

_MOST_LINES = 20
_CAVEATS = {
    "unhashed": "named rows have a picture that cannot be read, so near twins of it were not looked for",
    "unsearched": "rows are in shards without perceptual hashes and were not searched for near twins; "
    "scores: {phash_distance: {near: {}}} in the recipe and curate apply make them",
}


def print_takedown(found: "Takedown", *, is_dry_run: bool) -> None:
    """What left which table, what could not be searched, what is left for the owner to do, and what the proof says."""
    if found.is_empty:
        out.print(f"{escape(found.ticket)}: nothing left to remove")
        return
    shown = table("table or file", "partitions", "rows", "pointers")
    for loss in found.losses:
        shown.add_row(
            escape(inert(loss.name)), f"{loss.partitions:,}", f"{-loss.rows:+,}" if loss.rows else "", f"{loss.pointers or ''}"
        )
    out.print(shown)
    named = {**found.counts}
    caveats = [f"{named.pop(name):,} {text}" for name, text in _CAVEATS.items() if found.counts.get(name)]
    refused = named.pop("new_refusals", 0)
    rows = ", ".join(f"{count:,} {why}" for why, count in named.items() if count) or "none"
    out.print(f"rows of raw_pool, published versions included: {rows}; {refused:,} values and pictures newly refused")
    for line in caveats:
        out.print(f"[yellow]{escape(line)}[/]")
    _print_places(found)
    _print_proof(found, is_dry_run=is_dry_run)


def _print_places(found: "Takedown") -> None:
    """Where the bytes of the images lie; these files belong to somebody, and the lake only points into them."""
    if not found.places:
        return
    out.print("\nstill in the pool's own files, for their owner to delete (file, offset, bytes):")
    for file, offset, length in found.places[:_MOST_LINES]:
        out.print(f"  {escape(inert(file))}  {offset}  {length}")
    if len(found.places) > _MOST_LINES:
        out.print(f"  and {len(found.places) - _MOST_LINES:,} more; --json lists all")


def _print_proof(found: "Takedown", *, is_dry_run: bool) -> None:
    if is_dry_run:
        out.print("\nnothing was written; without --dry-run all this goes")
        return
    for hit in found.hits[:_MOST_LINES]:
        err.print(f"[red]still found[/]  {hit.kind} number {hit.index + 1} in {escape(inert(str(hit.path)))}")
    if not found.is_finished:
        err.print("[red]not finished[/]: delete what is named above from these files, then run the same command again")
        return
    proof = "nothing of it was found" if not found.hits else "captions or URLs were found, see above"
    out.print(
        f"\nreceipt {found.receipt}: {found.proved_files:,} files searched, {proof}; curate apply makes what is out of date"
    )
    out.print(f"its sha256, which proves the chain up to here if you keep it elsewhere: {found.receipt_sha256}")
