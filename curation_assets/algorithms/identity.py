"""128-bit uids as two 64-bit halves, and random numbers that belong to a uid.

Stored halves are signed (`int64`, as Delta has no unsigned type) and hold the unsigned bits; order is always unsigned.
"""

import hashlib

import numpy as np

from curation_assets.errors import SchemaError

Halves = tuple[np.ndarray, np.ndarray]


def uid_halves(uid: list[bytes]) -> Halves:
    """High and low halves, int64 of shape (n,), of n uids of 16 bytes each.

    Raises:
        SchemaError: a uid is not 16 bytes long.
    """
    lengths = {len(u) for u in uid}
    if lengths - {16}:
        raise SchemaError(f"a uid is 16 bytes long; lengths found: {sorted(lengths)}")
    pairs = np.frombuffer(b"".join(uid), dtype=">u8").astype(np.uint64).view(np.int64).reshape(-1, 2)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def uid_hex(uid_hi: np.ndarray, uid_lo: np.ndarray) -> list[str]:
    """The n uids as 32 lower-case hex digits each."""
    pairs = np.stack([np.asarray(uid_hi, np.int64), np.asarray(uid_lo, np.int64)], axis=1)
    text = pairs.view(np.uint64).astype(">u8").tobytes().hex()
    return [text[i : i + 32] for i in range(0, len(text), 32)]


def uid_order(uid_hi: np.ndarray, uid_lo: np.ndarray) -> np.ndarray:
    """Indices that sort the uids ascending, as unsigned 128-bit numbers; equal uids keep their order."""
    return np.lexsort((np.asarray(uid_lo).view(np.uint64), np.asarray(uid_hi).view(np.uint64)))


def uid_digest(uid_hi: np.ndarray, uid_lo: np.ndarray) -> str:
    """Digest of a uid column in row order: two tables with the same digest are aligned row by row."""
    halves = np.stack([np.asarray(uid_hi, np.int64), np.asarray(uid_lo, np.int64)], axis=1)
    return hashlib.sha256(halves.astype("<i8").tobytes()).hexdigest()[:32]


def _mixed(x: np.ndarray) -> np.ndarray:
    """Finaliser of SplitMix64: each input bit flips each output bit with probability close to 1/2."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def keyed_bits(uid_hi: np.ndarray, uid_lo: np.ndarray, *, seed: int, method: str) -> np.ndarray:
    """64 random bits per uid that depend on the seed, the method's name and the uid alone.

    A row's draw is the same whatever shard, process, order or retry it is made in, so every sampler built on it is
    incremental.

    Returns:
        uint64, shape (n,).
    """
    key = np.frombuffer(hashlib.sha256(f"{seed}\0{method}".encode()).digest()[:16], dtype="<u8")
    high = np.asarray(uid_hi).view(np.uint64) ^ key[0]
    return _mixed(_mixed(high) + (np.asarray(uid_lo).view(np.uint64) ^ key[1]))


def uid_places(uids: Halves, wanted: Halves, name: str) -> np.ndarray:
    """Where each of the wanted uids is among the uids; int64, shape (wanted,). Of equal uids it is the first.

    Raises:
        SchemaError: a wanted uid is not there; the message begins with `name`.

    Example:
        >>> zeros = np.zeros(3, int)
        >>> uid_places((np.array([7, -1, 3]), zeros), (np.array([3, 7]), zeros[:2]), "row").tolist()
        [2, 0]
    """
    n = len(uids[0])
    hi, lo = (np.concatenate(halves) for halves in zip(uids, wanted, strict=True))
    order = np.lexsort((lo, hi))  # stable, so that the first of equal uids, which is among `uids` if any is, leads them
    is_first = np.ones(len(order), bool)
    is_first[1:] = (np.diff(hi[order]) != 0) | (np.diff(lo[order]) != 0)
    places = np.empty(len(order), np.int64)
    places[order] = order[np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))]
    missing = np.flatnonzero(places[n:] >= n)
    if len(missing):
        found = uid_hex(wanted[0][missing[:1]], wanted[1][missing[:1]])[0]
        raise SchemaError(f"{name} has the uid {found}, which no row has ({len(missing)} of {len(wanted[0])} are unknown)")
    return places[n:]
