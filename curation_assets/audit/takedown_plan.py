"""What a takedown would come to, and the journal that makes it happen; nothing is written here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from curation_assets.holdings.project import Project
from curation_assets.holdings.shards import shard_files
from resources.byte_scan import Hit
from resources.threads import computed_ahead

from .exported_files import count_in, exported_files
from .file_sums import file_sum
from .journal import Journal, plain_words
from .lake_roots import LakeRoot
from .matching import Wanted
from .plain_values import unshared
from .pool_cut import PoolCut
from .receipts import next_number
from .redactions import removed_members
from .requests import Request, by_kind
from .shared_files import SharedFiles
from .surgery import Change, Surgery
from .tombstones import read_tombstones
from .victims import Found, Search


@dataclass(frozen=True)
class TableLoss:
    """What a table, or an exported file, loses.

    Args:
        name: of the table or file, below the lake.
        partitions: that change.
        rows: that it loses; negative if it gains some.
        pointers: to samples that go, which become NULL.
        before: digest of the data versions of all its partitions; of a file, the sha256 of its bytes.
        after: the same when the takedown is done; empty until then.
    """

    name: str
    partitions: int
    rows: int
    pointers: int
    before: str
    after: str = ""


@dataclass(frozen=True)
class Takedown:
    """What a takedown comes to.

    Args:
        ticket: of the request.
        counts: rows of raw_pool that go, by why, those of published versions included; `unhashed`, named rows whose picture
            cannot be hashed, so that near twins of it stay; and `unsearched`, rows in shards without perceptual hashes, where
            near twins are not looked for.
        losses: per table and exported file.
        places: file, offset and length in bytes of the removed images, which are their owner's to delete.
        receipt: number of its receipt; None if none was written.
        receipt_sha256: of the receipt's file; kept elsewhere, it proves that no receipt up to this one was changed.
        hits: where the proof still found something.
        proved_files: files that the proof read.
        is_finished: False where a uid or image digest was still found, or nothing has been written.
    """

    ticket: str
    counts: Mapping[str, int]
    losses: Sequence[TableLoss]
    places: Sequence[tuple[str, int, int]]
    receipt: int | None = None
    receipt_sha256: str = ""
    hits: Sequence[Hit] = ()
    proved_files: int = 0
    is_finished: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing left to remove or to refuse."""
        return not self.losses and not self.counts.get("new_refusals")


Cut = tuple[Surgery, list[Change]]


@dataclass(frozen=True)
class Look:
    """What a request comes to: the journal, None if nothing is left to do; the same for people; and what changes where."""

    journal: Journal | None
    seen: Takedown
    cuts: Sequence[Cut]


def look(project: Project, roots: Sequence[LakeRoot], request: Request, shared: SharedFiles) -> Look:
    """What a request comes to; `shared` keeps new files for those who write them."""
    values, receipt = by_kind(request.selectors), next_number(Path(project.lake.root))
    wanted = Wanted(*(set(values[kind]) for kind in ("uid", "sha256", "url", "domain")))
    hashes = np.array([int(value, 16) for value in values["phash"]], np.uint64).view(np.int64)[:, None]
    found = Search(roots, project.recipe, request.radius).find(wanted, [hashes], is_new=True)
    plain = {"uid": wanted.uids, "sha256": wanted.sha256, "url": wanted.urls, "domain": wanted.domains}
    cuts = cuts_of(project, roots, (found, wanted), (request.ticket, receipt), shared)
    losses = [*_table_losses(cuts), *_file_losses(project, wanted.uids)]
    counts = _counts(found)
    counts["new_refusals"] = _new_refusals(project, plain, found.pictures, request.radius)
    places = sorted({victim.place for victim in found.victims.values() if victim.place is not None})
    seen = Takedown(request.ticket, counts, losses, places)
    if seen.is_empty:
        return Look(None, seen, [])
    captions, urls = unshared(roots, found)
    redactions = {root.name: members for root in roots if (members := removed_members(root, wanted.uids))}
    journal = Journal(
        *(request.ticket, request.reason, request.radius, receipt),
        *({kind: sorted(own) for kind, own in plain.items()}, plain_words(found.pictures), captions, urls, counts),
        *([(one.name, one.partitions, one.rows, one.pointers, one.before) for one in losses], places, redactions),
    )
    return Look(journal, seen, cuts)


def cuts_of(
    project: Project,
    roots: Sequence[LakeRoot],
    gone: tuple[Found, Wanted],
    named: tuple[str, int],
    shared: SharedFiles,
) -> list[Cut]:
    """The removal in each lake root of what was found, for a ticket and the number of its receipt."""
    found, wanted = gone
    pools = [PoolCut(root, found.rows(root.name), wanted, shared) for root in roots]
    surgeries = [Surgery(pool, project.graph, *named) for pool in pools]
    places = {surgery.key(*place): (surgery, place) for surgery in surgeries for place in surgery.partitions()}
    for _ in computed_ahead(lambda one: one[0].look(*one[1]), places.values()):
        pass  # the answers are shared
    return [(surgery, surgery.changes()) for surgery in surgeries]


def own_exports(project: Project) -> list[Path]:
    """Exported files in the lake's folder; files of the pool are none, wherever they lie."""
    pool = {path.resolve() for path in shard_files(project.recipe).values()}
    return list(exported_files(Path(project.lake.root), pool))


def _table_losses(cuts: Sequence[Cut]) -> list[TableLoss]:
    by_table: dict[tuple[LakeRoot, str], list[Change]] = {}
    for surgery, changes in cuts:
        for change in changes:
            by_table.setdefault((surgery.pool.root, change.table), []).append(change)
    return [
        TableLoss(
            *(root.shown(table), len(some), sum(one.dropped for one in some), sum(one.blanked for one in some)),
            before=root.digest(table),
        )
        for (root, table), some in by_table.items()
    ]


def _file_losses(project: Project, uids: set[str]) -> list[TableLoss]:
    counted = [(path, count_in(path, uids)) for path in own_exports(project)]
    root = Path(project.lake.root)
    return [TableLoss(path.relative_to(root).as_posix(), 1, count, 0, file_sum(path)) for path, count in counted if count]


def with_digests_after(roots: Sequence[LakeRoot], losses: Sequence[TableLoss]) -> list[TableLoss]:
    """Losses with the digests of what is there now; `roots` end with the live lake."""
    tables = {root.shown(table): (root, table) for root in roots for table in root.tables}

    def now(loss: TableLoss) -> str:
        if loss.name in tables:
            root, table = tables[loss.name]
            return root.digest(table)
        path = roots[-1].path / loss.name
        return file_sum(path) if path.exists() else ""

    return [replace(loss, after=now(loss)) for loss in losses]


def _counts(found: Found) -> dict[str, int]:
    causes = Counter(victim.cause for victim in found.victims.values())
    return {**dict(sorted(causes.items())), "unhashed": found.unhashed, "unsearched": found.unsearched}


def _new_refusals(project: Project, plain: Mapping[str, set[str]], pictures: Sequence[np.ndarray], radius: int) -> int:
    """How many values and pictures the lake does not refuse yet."""
    known = read_tombstones(project.lake)
    values = [(kind, value) for kind, own in plain.items() for value in own]
    words = [one for part in pictures for one in part]
    if known is None:
        return len(values) + len(words)
    return sum(not known.holds(*pair) for pair in values) + sum(not known.holds_picture(one, radius) for one in words)
