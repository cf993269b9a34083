"""The samples of a cluster whose images are most like one, by the vectors that the lake holds."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.vectors import from_binary
from curation_assets.lineage.story import Neighbour, Neighbours
from curation_assets.tables import Key

from .asked import uid_text
from .stored_rows import POOL, UIDS, Place, StoredRows, position

_ASSIGNED: Key = ("cluster_assignments",)
_VECTORS: Key = ("embeddings",)
_MOST_CLUSTERS = 8  # whose vectors are kept in memory


class NeighboursOf:
    """Finds neighbours; the vectors of the last few clusters stay at hand."""

    def __init__(self, stored: StoredRows, count: int) -> None:
        """Args: where to read, and how many neighbours are wanted (0: none)."""
        self._stored, self._count = stored, count
        self._kept: dict[int, tuple[list[Place], list[str], np.ndarray]] = {}

    def of(self, place: Place) -> Neighbours:
        """The most similar samples of the same cluster, the nearest first, of equal ones the smaller uid."""
        why = self._omitted(place[0])
        if why:
            return Neighbours((), why)
        assigned = self._stored.row(_ASSIGNED, place) or {}
        if assigned.get("cluster_id") is None:
            return Neighbours((), f"the sample has no cluster: {assigned.get('reason')}")
        places, uids, vectors = self._cluster(int(str(assigned["cluster_id"])))
        if place not in places:
            return Neighbours((), "the sample has no vector")
        at = places.index(place)
        cosine = vectors @ vectors[at]
        others = np.array([i for i in range(len(places)) if i != at], np.int64)
        nearest = others[np.lexsort((np.array(uids)[others], -cosine[others]))[: self._count]]
        found = tuple(Neighbour(uids[i], round(float(np.clip(cosine[i], -1, 1)), 6)) for i in nearest)
        return Neighbours(found, None)

    def _omitted(self, shard: str) -> str:
        if not self._count:
            return "not asked for"
        for key in (_ASSIGNED, _VECTORS):
            if not self._stored.is_stored(key):
                return f"{key[0]} are not stored here; published versions keep no vectors"
            fault = self._stored.fault(key, shard)
            if fault:
                return f"{key[0]}[{shard}]: {fault}"
        return ""

    def _cluster(self, number: int) -> tuple[list[Place], list[str], np.ndarray]:
        if number not in self._kept:
            if len(self._kept) >= _MOST_CLUSTERS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[number] = self._read(number)
        return self._kept[number]

    def _read(self, number: int) -> tuple[list[Place], list[str], np.ndarray]:
        """Places, uids and vectors (float32, (n, d)) of the cluster's samples that have one."""
        places: list[Place] = []
        uids: list[str] = []
        parts = []
        for shard in self._stored.shards:
            if self._stored.fault(_ASSIGNED, shard) or self._stored.fault(_VECTORS, shard):
                continue
            table = self._stored.read(_ASSIGNED, shard, ["row", "cluster_id"])
            rows = table["row"].to_numpy()[table["cluster_id"].fill_null(-1).to_numpy() == number]
            if not len(rows):
                continue
            found = self._stored.state.snapshots[_VECTORS].read(shard, ["row", "image_embedding"])
            taken = found.take(pa.array(np.searchsorted(found["row"].to_numpy(), rows))).drop_null()
            pool = self._stored.read(POOL, shard, UIDS)
            at = [position(pool["row"].to_numpy(), row) for row in taken["row"].to_numpy()]
            identity = pool.take(pa.array(at, pa.int64()))
            places += [(shard, int(row)) for row in taken["row"].to_numpy()]
            uids += map(uid_text, identity["uid_hi"].to_numpy(), identity["uid_lo"].to_numpy())
            parts.append(from_binary(taken["image_embedding"], "<f2"))
        return places, uids, np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
