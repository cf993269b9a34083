"""Which rows a takedown removes: those that the request names, those with the same bytes or uid, and their near twins."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.identity import uid_hex
from curation_assets.algorithms.perceptual_hash import PerceptualHashes, detail_words, perceptual_hashes
from curation_assets.holdings.image_places import image_places
from curation_assets.recipe import Recipe
from resources.decode import read_payload
from resources.grey_pictures import grey_picture
from resources.snapshot import Snapshot

from .lake_roots import LakeRoot
from .matching import Wanted, among
from .near_pictures import WORDS, near_rows, words_of
from .shared_files import SharedFiles

_POOL, _HASHES = "raw_pool", "perceptual_hashes"
_FACTS = ["row", "uid_hi", "uid_lo", "image_sha256", "text", "url", "tar", "offset_bytes", "image_bytes"]
# Hashes that are compared at once; a look-up table is made each time.
_ROWS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Victim:
    """A row that goes: where it is, who it is, and where its bytes lie outside the lake; uid and sha256 as hex digits."""

    root: str
    shard: str
    row: int
    uid: str
    sha256: str | None
    text: str
    url: str | None
    place: tuple[str, int, int] | None
    cause: str


@dataclass
class Found:
    """What a search has come to.

    Args:
        victims: by lake root, shard and row.
        pictures: words of the pictures whose near twins go, and are refused later: shape (n, 10), or (n, 1) each.
        unhashed: rows that the request names whose picture has no hash and cannot be read, so that its twins stay.
        unsearched: rows in shards without perceptual hashes, where near twins were not looked for.
    """

    victims: dict[tuple[str, str, int], Victim] = field(default_factory=dict)
    pictures: list[np.ndarray] = field(default_factory=list)
    unhashed: int = 0
    unsearched: int = 0

    def rows(self, root: str) -> dict[str, np.ndarray]:
        """Rows of a root that go, by shard, ascending int32."""
        by_shard: dict[str, list[int]] = {}
        for name, shard, row in sorted(self.victims):
            if name == root:
                by_shard.setdefault(shard, []).append(row)
        return {shard: np.array(rows, np.int32) for shard, rows in by_shard.items()}


@dataclass(frozen=True)
class Search:
    """A search in all lake roots.

    Args:
        roots: where.
        recipe: says where the pictures' files are.
        radius: of near twins; -1 looks for none.
        shared: what is known of the files.
    """

    roots: Sequence[LakeRoot]
    recipe: Recipe
    radius: int
    shared: SharedFiles = field(default_factory=SharedFiles)

    def find(self, wanted: Wanted, pictures: Sequence[np.ndarray], *, is_new: bool) -> Found:
        """All rows that go; `wanted` takes up their uids and digests.

        Args:
            wanted: what the request names, or what an interrupted takedown had come to.
            pictures: words of perceptual hashes that the request names, or had come to.
            is_new: whether the pictures of the rows found by `wanted` count as well.
        """
        found = Found(pictures=[words for words in pictures if len(words)] if self.radius >= 0 else [])
        self._sweep(wanted, found, "selected")
        if is_new and self.radius >= 0:
            self._add_pictures(found)
        if found.pictures:
            self._add_near(found)
        while self._take_up(wanted, found):
            self._sweep(wanted, found, "same bytes or uid")
        return found

    def _take_up(self, wanted: Wanted, found: Found) -> bool:
        before = len(wanted.uids) + len(wanted.sha256)
        wanted.uids |= {victim.uid for victim in found.victims.values()}
        wanted.sha256 |= {victim.sha256 for victim in found.victims.values() if victim.sha256}
        return len(wanted.uids) + len(wanted.sha256) > before

    def _sweep(self, wanted: Wanted, found: Found, cause: str) -> None:
        shared = SharedFiles()  # of this sweep: the next one looks for more
        for root, shard in self._shards():
            snapshot = root.lake.snapshot(_POOL)

            def meant(snapshot: Snapshot = snapshot, shard: str = shard) -> np.ndarray:
                table = snapshot.read(shard, wanted.columns)
                return table["row"].to_numpy()[wanted.rows(table)]

            rows = shared.once(snapshot, shard, "meant", meant)
            if len(rows):
                self._add(found, (root, shard), rows, cause)

    def _add(self, found: Found, at: tuple[LakeRoot, str], rows: np.ndarray, cause: str) -> None:
        root, shard = at
        snapshot = root.lake.snapshot(_POOL)
        facts = self.shared.once(snapshot, shard, ("facts", rows.tobytes()), lambda: _facts(snapshot, shard, rows))
        for uid, fact in facts:
            digest, tar = fact["image_sha256"], fact["tar"]
            place = None if tar is None else (tar, fact["offset_bytes"] or 0, fact["image_bytes"] or 0)
            victim = Victim(
                *(root.name, shard, fact["row"], uid, None if digest is None else digest.hex()),
                *(fact["text"], fact["url"], place, cause),
            )
            found.victims.setdefault((root.name, shard, fact["row"]), victim)

    def _add_pictures(self, found: Found) -> None:
        """Take up the pictures of all victims so far: stored hashes, or those of bytes that are still the recorded ones."""
        words: list[np.ndarray] = []
        for root in self.roots:
            for shard, rows in found.rows(root.name).items():
                row, stored = _stored_words(root, shard)
                is_meant = np.isin(row, rows)
                words += list(stored[is_meant])
                missing = [found.victims[root.name, shard, int(n)] for n in rows if n not in row[is_meant]]
                fresh = [_words_of_bytes(victim, self.recipe) for victim in missing]
                words += [one for one in fresh if one is not None]
                found.unhashed += sum(one is None for one in fresh)
        if words:
            found.pictures.append(np.unique(np.stack(words), axis=0))

    def _add_near(self, found: Found) -> None:
        for held in self._hashed(found):
            words = np.concatenate([part for _, _, _, part in held])
            origin = np.repeat(np.arange(len(held)), [len(part) for _, _, _, part in held])
            rows = np.concatenate([row for _, _, row, _ in held])
            near = np.zeros(len(words), bool)
            for wanted in found.pictures:
                for _, at in near_rows(wanted, words, self.radius):
                    near[at] = True
            for i in np.unique(origin[near]):
                self._add(found, held[i][:2], rows[near & (origin == i)], "near twin")

    def _hashed(self, found: Found) -> Iterator[list[tuple[LakeRoot, str, np.ndarray, np.ndarray]]]:
        """Hashes of shard after shard, many together; shards without any are counted."""
        held, count = [], 0
        for root, shard in self._shards():
            row, words = _stored_words(root, shard)
            if not _is_hashed(root, shard):
                found.unsearched += int(str(root.lake.records(_POOL)[shard]["rows"]))
            elif len(row):
                held.append((root, shard, row, words))
                count += len(row)
            if count >= _ROWS_AT_ONCE:
                yield held
                held, count = [], 0
        if held:
            yield held

    def _shards(self) -> Iterable[tuple[LakeRoot, str]]:
        return ((root, shard) for root in self.roots if _POOL in root.tables for shard in root.lake.shards(_POOL))


def _facts(snapshot: Snapshot, shard: str, rows: np.ndarray) -> list[tuple[str, dict[str, object]]]:
    """Uid, as hex digits, and columns of rows of a shard."""
    table = snapshot.read(shard, _FACTS)
    table = table.filter(pa.array(among(table["row"].to_numpy(), rows)))
    return list(zip(uid_hex(table["uid_hi"].to_numpy(), table["uid_lo"].to_numpy()), table.to_pylist(), strict=True))


def _is_hashed(root: LakeRoot, shard: str) -> bool:
    """Whether a root has perceptual hashes of the present rows of a shard."""
    digests = [root.lake.records(table).get(shard, {}).get("uid_digest") for table in (_POOL, _HASHES)]
    return digests[0] is not None and digests[0] == digests[1]


def _stored_words(root: LakeRoot, shard: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a shard with stored hashes, and their words, shape (n, 10)."""
    if not _is_hashed(root, shard):
        return np.zeros(0, np.int32), np.zeros((0, WORDS), np.int64)
    columns = ["row", "perceptual_hash", "mirrored_hash", "detail_hash"]
    table = root.lake.read(_HASHES, shard=shard, columns=columns).drop_null()
    details = detail_words(np.array(table["detail_hash"].to_pylist(), object))
    plain, mirrored = (table[name].to_numpy() for name in columns[1:3])
    return table["row"].to_numpy(), words_of(PerceptualHashes(plain, mirrored, details))


def _words_of_bytes(victim: Victim, recipe: Recipe) -> np.ndarray | None:
    """Words of a picture from its file; None if the bytes there are no longer those, or are no picture."""
    if victim.place is None:
        return None
    tar, offset, length = victim.place
    table = pa.table({"tar": [tar], "offset_bytes": [offset], "image_bytes": [length]})
    files: dict[str, int] = {}
    try:
        payload = read_payload(image_places(table, recipe)[0], files)
        if victim.sha256 is not None and hashlib.sha256(payload).hexdigest() != victim.sha256:
            return None
        return words_of(perceptual_hashes(grey_picture(payload)[None]))[0]
    except Exception:  # the edge: Pillow's plugins raise whatever they like; the row is counted as unhashed
        return None
    finally:
        for file in files.values():
            os.close(file)
