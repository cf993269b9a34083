"""The steps of a takedown, from its journal; each may have been done before, wholly or in part."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from curation_assets.holdings.project import Project
from curation_assets.holdings.shards import shard_files
from resources.byte_scan import Needle, ScanReport, scan
from resources.purge import purge_table
from resources.threads import computed_ahead

from .exported_files import remove_from
from .journal import Journal, delete_journal, journal_path, write_journal
from .lake_roots import LakeRoot, lake_roots
from .masks import read_masks
from .receipts import next_number, read_receipts, write_receipt
from .redactions import write_redaction
from .shared_files import SharedFiles
from .takedown_plan import Cut, TableLoss, Takedown, cuts_of, own_exports, with_digests_after
from .tombstones import Stones, write_tombstones
from .victims import Search

# A short hash, uid or digest is never there by accident; a caption may be what somebody else wrote as well.
_CERTAIN = ("uid", "sha256")


@dataclass(frozen=True)
class Outside:
    """What a takedown needs of the world outside the lake.

    Args:
        live_runs: ids of runs that may be writing to this lake.
        redact: takes uids (hex digits) and other needles out of the records of past runs; returns how many events changed, and
            which records it could not look into, in words.
        folders: what the proof reads besides the lake.
    """

    live_runs: Callable[[], Sequence[str]]
    redact: Callable[[Sequence[str], Sequence[Needle]], tuple[int, str]]
    folders: Sequence[Path] = ()


def finish(
    project: Project,
    journal: Journal,
    outside: Outside,
    report: Callable[[str], None],
    cuts: Sequence[Cut] | None = None,
) -> Takedown:
    """Do, or do again, everything that a journal asks for, and delete it.

    Args:
        project: recipe, graph and lake.
        journal: on the disk already.
        outside: past runs.
        report: takes a line per step.
        cuts: what changes where, if that was just computed; None looks for it, as after an interruption.

    Raises:
        LakeError: files of the lake are missing; the journal stays.
    """
    root, roots = Path(project.lake.root), lake_roots(project.lake)
    cuts = _cuts(project, journal, roots) if cuts is None else cuts
    stones = Stones(journal.values, journal.words, journal.radius)
    write_tombstones(project.lake, stones, journal.ticket, journal.receipt)
    for surgery, changes in cuts:
        for table in surgery.write(changes):
            report(f"removed from {table}")
    for version in roots:
        write_redaction(version, journal.redactions.get(version.name, []), journal.ticket, journal.receipt)
    for path in own_exports(project):
        if count := remove_from(path, set(journal.values["uid"])):
            report(f"removed {count:,} rows from {path.relative_to(root)}")
    _purge(lake_roots(project.lake), report)
    needles = needles_of(journal)
    events = outside.redact(journal.values["uid"], needles)
    report(f"removed from {events[0]:,} events of past runs{'; ' * bool(events[1])}{events[1]}")
    proof = scan([root, *outside.folders], needles, [journal_path(project.lake.root), *_pool_files(project)])
    report(f"looked for {len(needles):,} values in {proof.files:,} files: {len(proof.hits):,} found")
    losses = with_digests_after(lake_roots(project.lake), [TableLoss(*loss) for loss in journal.losses])
    return _close(root, journal, losses, (proof, events))


def _pool_files(project: Project) -> list[Path]:
    """The pool's own files, which are for their owner to clean, wherever they lie; no folder that has the lake in it."""
    root = Path(project.lake.root).resolve()
    return [path for path in shard_files(project.recipe).values() if not root.is_relative_to(path.resolve())]


def needles_of(journal: Journal) -> list[Needle]:
    """What must be nowhere afterwards."""
    found = [Needle(kind, bytes.fromhex(value)) for kind in _CERTAIN for value in journal.values[kind]]
    found += [Needle("text", text.encode()) for text in journal.captions]
    return [*found, *(Needle("url", url.encode()) for url in journal.urls)]


def _cuts(project: Project, journal: Journal, roots: Sequence[LakeRoot]) -> list[Cut]:
    """What is still to be removed; rows that came in while the takedown was interrupted go too."""
    wanted = journal.wanted
    found = Search(roots, project.recipe, journal.radius).find(wanted, journal.words, is_new=False)
    new = {"uid": sorted(wanted.uids), "sha256": sorted(wanted.sha256)}
    if any(journal.values[kind] != values for kind, values in new.items()):
        journal.values |= new
        write_journal(project.lake.root, journal)
    return cuts_of(project, roots, (found, wanted), (journal.ticket, journal.receipt), SharedFiles())


def _purge(roots: Sequence[LakeRoot], report: Callable[[str], None]) -> None:
    """Nothing of an older version of any table may stay: who knows which of them had the rows."""
    files = entries = 0
    for purged in computed_ahead(purge_table, [root.path / table for root in roots for table in root.tables]):
        files, entries = files + purged.files, entries + purged.entries
    report(f"deleted {files:,} files of former versions, and their statistics in {entries:,} entries of logs")


def _close(root: Path, journal: Journal, losses: Sequence[TableLoss], found: tuple[ScanReport, tuple[int, str]]) -> Takedown:
    """Write the receipt and delete the journal, unless something was found that can only be the removed samples."""
    proof = found[0]
    is_gone = not any(hit.kind in _CERTAIN for hit in proof.hits)
    if is_gone and next_number(root) == journal.receipt:
        write_receipt(root, _body(root, journal, losses, found))
    digest = read_receipts(root)[journal.receipt - 1].sha256 if is_gone else ""
    if is_gone:
        delete_journal(str(root))
    return Takedown(
        *(journal.ticket, journal.counts, losses, journal.places, journal.receipt if is_gone else None),
        *(digest, proof.hits, proof.files, is_gone),
    )


def _body(
    root: Path, journal: Journal, losses: Sequence[TableLoss], found: tuple[ScanReport, tuple[int, str]]
) -> dict[str, object]:
    """What the receipt says: nothing by which a sample could be known without knowing it already."""
    (proof, events), masks = found, read_masks(str(root))
    hits = [{"path": str(hit.path), "kind": hit.kind, "needle": hit.index} for hit in proof.hits]
    return {
        "operation": "takedown",
        "ticket": journal.ticket,
        "reason": journal.reason,
        "radius": journal.radius,
        "counts": journal.counts,
        "tables": [asdict(loss) for loss in losses],
        "removed": sorted(masks.digest("uid", uid).hex() for uid in journal.values["uid"]),
        "published": {name: len(removed) for name, removed in sorted(journal.redactions.items())},
        "places": [list(place) for place in journal.places],
        "events": events[0],
        "events_not_looked_into": events[1],
        "proof": {"files": proof.files, "bytes": proof.bytes, "needles": len(needles_of(journal)), "hits": hits},
    }
