"""Samples of the live pool whose picture is like a file's: by stored perceptual hashes, and by stored vectors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.perceptual_hash import PerceptualHashes, detail_words, perceptual_hashes
from curation_assets.algorithms.perceptual_pairs import perceptual_distances
from curation_assets.algorithms.vectors import from_binary
from curation_assets.errors import CurationError
from curation_assets.lineage.holders import Match
from curation_assets.tables import Key
from resources.decode import reason
from resources.grey_pictures import grey_picture

from .stored_rows import Place, StoredRows

# Gives the vector (float, shape (d,), L2 norm 1) of an image file, by the encoder of the stored embeddings.
ImageVector = Callable[[Path], np.ndarray]
RADIUS = 4
_MOST_BYTES = 1 << 30  # of a file that may be a picture: the largest that is decoded has 0.5 GB of pixels
COSINE = 0.95
_HASHES: Key = ("perceptual_hashes",)
_VECTORS: Key = ("embeddings",)
Alike = tuple[dict[Place, Match] | None, str]  # None where nothing could be searched; and what was, or why not


def alike_by_hash(stored: StoredRows, path: Path) -> Alike:
    """Pictures within the perceptual radius of an image file, mirrored ones included."""
    shards, remark = _searchable(stored, _HASHES, "no method of this recipe needs perceptual hashes, so none are stored")
    if not shards:
        return None, remark
    if (size := path.stat().st_size) > _MOST_BYTES:
        return None, f"the file is no picture: it has {size:,} bytes, more than {_MOST_BYTES:,}"
    try:
        one = perceptual_hashes(grey_picture(path.read_bytes())[None])
    except Exception as error:  # Pillow's plugins raise whatever they like on hostile bytes
        return None, f"the file cannot be read as a picture: {reason(error)[:200]}"
    found: dict[Place, Match] = {}
    for shard in shards:
        names = ["row", "perceptual_hash", "mirrored_hash", "detail_hash"]
        table = stored.read(_HASHES, shard, names).drop_null()
        details = detail_words(np.array(table["detail_hash"].to_pylist(), object))
        many = PerceptualHashes(table["perceptual_hash"].to_numpy(), table["mirrored_hash"].to_numpy(), details)
        distance = perceptual_distances(one, many)
        for at in np.flatnonzero(distance <= RADIUS):
            found[shard, int(table["row"][int(at)].as_py())] = Match("perceptual", distance=int(distance[at]))
    return found, f"radius {RADIUS}, {remark}"


def alike_by_vector(stored: StoredRows, path: Path, image_vector: ImageVector | None) -> Alike:
    """Images whose vector's cosine to that of a file is large."""
    if image_vector is None:
        return None, "no encoder was given"
    shards, remark = _searchable(stored, _VECTORS, "no embeddings are stored")
    if not shards:
        return None, remark
    try:
        vector = np.asarray(image_vector(path), np.float32)
    except CurationError as error:
        return None, str(error)
    found: dict[Place, Match] = {}
    for shard in shards:
        table = stored.state.snapshots[_VECTORS].read(shard, ["row", "image_embedding"]).drop_null()
        if not len(table):
            continue
        cosine = np.clip(from_binary(table["image_embedding"], "<f2") @ vector, -1, 1)
        rows = table["row"].take(pa.array(np.flatnonzero(cosine >= COSINE))).to_pylist()
        near = cosine[cosine >= COSINE]
        found |= {(shard, row): Match("cosine", cosine=round(float(c), 6)) for row, c in zip(rows, near, strict=True)}
    return found, f"cosine of {COSINE} or more, {remark}"


def _searchable(stored: StoredRows, key: Key, absent: str) -> tuple[list[str], str]:
    """Shards of a table that can be searched, and what that covers."""
    if not stored.is_stored(key):
        return [], absent
    shards = [shard for shard in stored.shards if not stored.fault(key, shard)]
    missing = len(stored.shards) - len(shards)
    left_out = f" ({missing:,} shards left out: {key[0]} are out of date there)" if missing else ""
    return shards, f"{len(shards):,} shards of the live pool{left_out}; versions by the uids found there"
