"""Which live subsets and published versions hold a sample, or everything of a URL, domain, image or file."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation_assets.errors import ArgumentError
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State
from curation_assets.lineage.holders import Holder, InVersion, Looked, Match, Which
from curation_assets.tables import Key
from resources.delta import Lake
from resources.row_lookup import find_uid
from resources.snapshot import Snapshot

from .alike import ImageVector, alike_by_hash, alike_by_vector
from .asked import FILE, SHA256, UID, Asked, samples_asked, uid_text
from .places import find_places, find_takedowns, is_match
from .stored_rows import POOL, UIDS, Place, StoredRows, position
from .versions import MEMBERS, Version, versions

SCHEMA = 1
_FEATURES: tuple[Key, ...] = (("perceptual_hashes",), ("embeddings",))
_IDENTITY = ["uid_hi", "uid_lo", "pool_shard", "pool_row"]
Sample = tuple[str, str]  # uid and shard
# Of 1, 2, 3, 4 and 8, measured on 2 cores: 2 or 3 are best with the files in memory and without; more wait for the interpreter.
_THREADS = 3
_FEW = 8  # samples that are looked up one by one; for more the whole subsets are read


def which(project: Project, asked: str, *, is_near: bool = False, image_vector: ImageVector | None = None) -> Which:
    """Everything that holds the samples that are meant.

    Args:
        project: recipe, graph and lake.
        asked: uid, sha256 of an image, URL, domain, or path of a file.
        is_near: of a file, look for pictures that are alike even if its very bytes are found.
        image_vector: encodes a file with the encoder of the embeddings; without it they are not searched.

    Raises:
        ArgumentError: what is asked is none of these; or nothing but a file can be looked for by its picture.
        LakeError: the lake holds no pool.
    """
    meant = samples_asked(asked)
    if is_near and meant.kind != FILE:
        raise ArgumentError(f"--near compares pictures; {asked!r} is no file but a {meant.kind}")
    with ThreadPoolExecutor(_THREADS) as threads:
        search = _Search(project, _FEATURES if meant.kind == FILE else (), threads)
        return search.answer(asked, meant, is_near, image_vector)


class _Search:
    """One question to the live pool, its subsets, and all published versions."""

    def __init__(self, project: Project, features: tuple[Key, ...], threads: ThreadPoolExecutor) -> None:
        """Args: the project, what a file is compared with, and who reads several tables at once."""
        self._threads = threads
        self._subsets = [plan.name for plan in project.recipe.subsets]
        keys = [POOL, *(("subsets", name) for name in self._subsets), *(k for k in features if k in project.graph)]
        found = versions(project)
        lakes = [(project.lake, project.graph[key].name) for key in keys]
        lakes += [(_lake(str(version.folder)), MEMBERS) for version in found]
        opened = list(threads.map(lambda table: table[0].snapshot(table[1]), lakes))
        published = list(zip(found, opened[len(keys) :], strict=True))
        shards = sorted(s for s in (opened[0].records if opened[0] else {}) if s is not None)
        self._stored = StoredRows(State(project, {}, shards, dict(zip(keys, opened, strict=False))))
        self._members: list[tuple[Version, Snapshot]] = [(version, members) for version, members in published if members]
        fault = "it has no table of its members; curate verify says what is wrong"
        self._unusable = [f"{version.name}: {fault}" for version, members in published if not members]

    def answer(self, text: str, meant: Asked, is_near: bool, image_vector: ImageVector | None) -> Which:
        exact = Asked(SHA256, _digest(Path(meant.text))) if meant.kind == FILE else meant
        if meant.kind == FILE:
            live, published, looked = self._like_file(Path(meant.text), exact, is_near, image_vector)
        else:
            live, published = self._exact(meant, Match(meant.kind))
            looked = [Looked(meant.kind, True, "the live pool and all published versions")]
        samples, unusable = self._holders(live, published)
        return Which(
            schema=SCHEMA,
            asked=text,
            kind=meant.kind,
            found=bool(samples),
            pool_rows=sum(int(str(self._stored.state.records[POOL][shard]["rows"])) for shard in self._stored.shards),
            subsets=tuple(self._subsets),
            versions=tuple(version.name for version, _ in self._members),
            searched=tuple(looked),
            unusable=(*self._unusable, *unusable),
            samples=tuple(samples),
            taken_down=tuple(find_takedowns(self._stored.state.project.lake, exact)) if not samples else (),
        )

    def _exact(self, meant: Asked, match: Match) -> tuple[dict[Place, Match], dict[Sample, tuple[Match, list[InVersion]]]]:
        """Places in the live pool, and samples of published versions, that match exactly."""
        live = dict.fromkeys(find_places(self._stored, meant), match)
        published: dict[Sample, tuple[Match, list[InVersion]]] = {}
        rows = list(self._threads.map(lambda held: _members_of(held[1], meant), self._members))
        for (version, _), found in zip(self._members, rows, strict=True):
            self._add(published, version, found, match)
        return live, published

    def _like_file(
        self, path: Path, exact: Asked, is_near: bool, image_vector: ImageVector | None
    ) -> tuple[dict[Place, Match], dict[Sample, tuple[Match, list[InVersion]]], list[Looked]]:
        """What has a file's bytes, and what looks like it."""
        live, published = self._exact(exact, Match("bytes"))
        looked = [Looked("bytes", True, "the live pool and all published versions")]
        if (live or published) and not is_near:
            skipped = "its very bytes were found; --near looks for pictures that are alike all the same"
            return live, published, [*looked, Looked("perceptual", False, skipped), Looked("cosine", False, skipped)]
        by_hash, remark = alike_by_hash(self._stored, path)
        looked.append(Looked("perceptual", by_hash is not None, remark))
        by_vector, remark = alike_by_vector(self._stored, path, image_vector if is_near else None)
        remark = remark if is_near else "--near asks for it"
        looked.append(Looked("cosine", by_vector is not None, remark))
        found = {**(by_vector or {}), **(by_hash or {}), **live}
        for place in found.keys() - live.keys():
            uid = self._uid(place)
            for version, members in self._members:
                self._add(published, version, find_uid(members, None, uid, _IDENTITY), found[place])
        return found, published, looked

    def _add(
        self, published: dict[Sample, tuple[Match, list[InVersion]]], version: Version, rows: pa.Table, match: Match
    ) -> None:
        for row in rows.to_pylist():
            sample = uid_text(row["uid_hi"], row["uid_lo"]), row["pool_shard"]
            held = InVersion(version.name, str(version.manifest["published_at"]), row["pool_shard"], row["pool_row"])
            versions_of = published.setdefault(sample, (match, []))[1]
            if held not in versions_of:
                versions_of.append(held)

    def _uid(self, place: Place) -> tuple[int, int]:
        uids = self._stored.read(POOL, place[0], UIDS)
        at = position(uids["row"].to_numpy(), place[1])
        return int(uids["uid_hi"][at].as_py()), int(uids["uid_lo"][at].as_py())

    def _holders(
        self, live: dict[Place, Match], published: dict[Sample, tuple[Match, list[InVersion]]]
    ) -> tuple[list[Holder], list[str]]:
        """What was found, with the subsets and versions that hold it; and subsets' partitions that say nothing."""
        shards = sorted({shard for shard, _ in live})
        parts = [(name, shard) for name in self._subsets for shard in shards]
        faults = {(name, shard): self._stored.fault(("subsets", name), shard) for name, shard in parts}
        if len(live) > _FEW:
            usable = [part for part in parts if not faults[part]]
            list(self._threads.map(lambda part: self._stored.read(("subsets", part[0]), part[1], ["row"]), usable))
        holders = []
        for place, match in live.items():
            uid = uid_text(*self._uid(place))
            within = published.pop((uid, place[0]), (match, []))[1]
            held = self._threads.map(lambda name, at=place: self._stored.has_row(("subsets", name), at), self._subsets)
            subsets = tuple(name for name, is_held in zip(self._subsets, held, strict=True) if is_held)
            holders.append(Holder(uid, *place, True, match, subsets, tuple(within)))
        for (uid, shard), (match, within) in published.items():
            holders.append(Holder(uid, shard, within[-1].row, False, match, (), tuple(within)))
        unusable = [f"subsets/{name}[{shard}]: {fault}; run curate apply" for (name, shard), fault in faults.items() if fault]
        return sorted(holders, key=_nearest_first), unusable


@lru_cache(maxsize=1024)
def _lake(root: str) -> Lake:
    """The lake of a published version; making one anew takes as long as a look into it."""
    return Lake(root=root)


def _members_of(members: Snapshot, meant: Asked) -> pa.Table:
    """Identity of the rows of a version that match exactly."""
    if meant.kind == UID:
        return find_uid(members, None, meant.halves, _IDENTITY)
    column = "image_sha256" if meant.kind == SHA256 else "url"
    matches = np.flatnonzero(is_match(members.read(None, [column])[column], meant))
    return members.read(None, _IDENTITY).take(pa.array(matches)) if len(matches) else members.schema.empty_table()


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror or error}") from error


def _nearest_first(holder: Holder) -> tuple[int, int, float, str, str]:
    order = {"bytes": 0, "perceptual": 1, "cosine": 2}
    match = holder.match
    return order.get(match.how, 0), match.distance or 0, -(match.cosine or 0), holder.uid, holder.shard
