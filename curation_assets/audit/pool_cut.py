"""A lake root's raw_pool without the rows that go: which rows each table loses by their numbers, and the uids that stay."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.identity import uid_digest, uid_order
from curation_assets.errors import LakeError

from .lake_roots import LakeRoot
from .matching import Wanted, among, uids_among
from .shared_files import SharedFiles

POOL = "raw_pool"
_IDENTITY = ["row", "uid_hi", "uid_lo", "image_sha256"]


@dataclass(frozen=True)
class Numbering:
    """Rows that go from a shard as some version of raw_pool numbered it, int32, and the digest of the uids that stay."""

    gone: np.ndarray
    uid_digest: str


@dataclass
class PoolCut:
    """Args: a lake root, the rows of its present raw_pool that go, by shard, whose they are, and what is known of files."""

    root: LakeRoot
    rows: Mapping[str, np.ndarray]
    wanted: Wanted
    shared: SharedFiles = field(default_factory=SharedFiles)
    _known: dict[tuple[str, str], Numbering | None] = field(default_factory=dict)

    def present_digest(self, shard: str) -> object:
        """Digest of the uids that raw_pool has now."""
        return self.root.lake.records(POOL).get(shard, {}).get("uid_digest")

    def numbering(self, shard: str, digest: str) -> Numbering | None:
        """The rows with this digest of uids, now or at an earlier time; None if the lake has them no more."""
        if (shard, digest) not in self._known:
            rows = self.rows.get(shard, np.zeros(0, np.int32))
            is_present = digest == self.present_digest(shard)
            pool = self.root.lake.snapshot(POOL) if is_present else None
            asked = ("numbering", digest, rows.tobytes())
            self._known[shard, digest] = self.shared.once(pool, shard, asked, lambda: self._look(shard, digest))
        return self._known[shard, digest]

    def uid_before(self, uid_hi: int, uid_lo: int) -> tuple[int, int]:
        """The largest uid that stays and is smaller than a given one, as signed halves; (0, 0) if there is none."""
        limit = np.uint64(uid_hi % 2**64), np.uint64(uid_lo % 2**64)
        best = (0, 0)
        for shard in self.root.lake.shards(POOL):
            table = self.root.lake.read(POOL, shard=shard, columns=_IDENTITY[:3])
            hi, lo = table["uid_hi"].to_numpy(), table["uid_lo"].to_numpy()
            stays = ~uids_among(hi, lo, self.wanted.uids)
            high, low = hi[stays].view(np.uint64), lo[stays].view(np.uint64)
            below = (high < limit[0]) | ((high == limit[0]) & (low < limit[1]))
            high, low = high[below], low[below]
            if len(high):
                last = uid_order(high, low)[-1]
                best = max(best, (int(high[last]), int(low[last])))
        high, low = np.array(best, np.uint64).view(np.int64)
        return int(high), int(low)

    def _look(self, shard: str, digest: str) -> Numbering | None:
        if not self.root.lake.exists(POOL):
            return None
        present = self.present_digest(shard)
        if digest != present and (after := self.numbering(shard, str(present))) is not None and after.uid_digest == digest:
            return Numbering(np.zeros(0, np.int32), digest)  # an interrupted takedown has been here
        try:
            table = self.root.lake.read_content(POOL, shard, ("uid_digest", digest), _IDENTITY)
        except LakeError:  # of a table that has other columns now
            table = None
        if table is None:
            return None
        is_gone = self.wanted_rows(table)
        if digest == self.present_digest(shard):
            is_gone |= among(table["row"].to_numpy(), self.rows.get(shard, np.zeros(0, np.int32)))
        stays = table.filter(pa.array(~is_gone))
        kept = uid_digest(stays["uid_hi"].to_numpy(), stays["uid_lo"].to_numpy())
        return Numbering(table["row"].to_numpy()[is_gone], kept)

    def wanted_rows(self, table: pa.Table) -> np.ndarray:
        """Rows of the samples that go, by uid or image bytes; bool, shape (n,)."""
        return Wanted(self.wanted.uids, self.wanted.sha256).rows(table)
