"""Perceptual hashes of small grey pictures, and how many bits two of them differ in."""

from typing import NamedTuple

import numpy as np

from curation_assets.errors import SchemaError

SIDE_PX = 32
COARSE = 8  # 8 x 8 low frequencies make 64 bits
FINE = 16  # 16 x 16 make 256
# Cosines are rounded to integers of this scale. Every sum is then a whole number below 255 * 32 * 32 * 2**32 < 2**50, which
# float64 holds exactly: the result cannot depend on the order of summation, the batch or the processor.
_SCALE = 2**16
_FLAT = 2  # grey values of 0 to 255: what JPEG makes of one colour
_CHUNK_ROWS = 4096  # pictures at once: 32 MB of float64


class PerceptualHashes(NamedTuple):
    """Hashes of n pictures.

    `plain` and `mirrored` (of the picture flipped left to right) are int64 of shape (n,) that hold 64 unsigned bits, the
    first bit highest; `detail` is int64 of shape (n, 8), 256 bits of the picture and 256 of the flipped one.
    """

    plain: np.ndarray
    mirrored: np.ndarray
    detail: np.ndarray


def perceptual_hashes(pictures: np.ndarray) -> PerceptualHashes:
    """DCT hashes of pictures and of their mirror images, the same bits whatever the batch.

    A bit says whether a low frequency of the picture is above the median of them. The flipped picture has the same
    frequencies with the sign of every odd column changed, so it is never made. Costs two matrix products.

    A flat picture (grey values within 2) has no frequencies worth comparing: it gets the first of 64 bits alone and, as
    its 256, the 8 bits of its mean grey 32 times: blank pictures are copies where they are equally grey.

    Args:
        pictures: uint8, shape (n, 32, 32), grey values.

    Raises:
        SchemaError: another shape or type.

    Source:
        Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions; bits and their order as
        `imagehash.phash` 4.3 with hash_size 8 and, for the detail, 16 (ImageHash resizes to 64 x 64 px there; here both
        sizes read the same 32 x 32 px). Departures: cosines are rounded to multiples of 2**-16, and flat pictures.

    Example:
        >>> half = np.zeros((1, 32, 32), np.uint8)
        >>> half[:, :, :16] = 255
        >>> [f"{int(bits[0]) % 2**64:016x}" for bits in perceptual_hashes(half)[:2]]
        ['c400000000000000', '9100000000000000']
    """
    if pictures.ndim != 3 or pictures.shape[1:] != (SIDE_PX, SIDE_PX) or pictures.dtype != np.uint8:
        raise SchemaError(
            f"perceptual_hashes needs uint8 pictures of shape (n, 32, 32); found {pictures.dtype} {pictures.shape}"
        )
    plain, mirrored = np.empty((2, len(pictures)), np.int64)
    detail = np.empty((len(pictures), 8), np.int64)
    cosines = _cosines()
    sign = np.where(np.arange(FINE) % 2, -1.0, 1.0)
    for start in range(0, len(pictures), _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        fine = cosines @ pictures[rows].astype(np.float64) @ cosines.T
        for words, half, frequencies in ((plain, detail[:, :4], fine), (mirrored, detail[:, 4:], fine * sign)):
            words[rows] = _above_median(frequencies[:, :COARSE, :COARSE])[:, 0]
            half[rows] = _above_median(frequencies)
    flat = np.flatnonzero(np.ptp(pictures.reshape(-1, SIDE_PX * SIDE_PX), axis=1) <= _FLAT)
    plain[flat] = mirrored[flat] = np.iinfo(np.int64).min  # the first bit alone
    grey = pictures[flat].sum(axis=(1, 2), dtype=np.int64) // SIDE_PX**2
    detail[flat] = np.tile(_words((grey[:, None] >> np.arange(FINE * FINE) % 8) & 1 > 0), 2)
    return PerceptualHashes(plain, mirrored, detail)


def _cosines() -> np.ndarray:
    """DCT-II matrix as whole numbers, shape (16, 32); every row but the first adds up to exactly 0."""
    angles = np.pi * np.arange(FINE)[:, None] * (2 * np.arange(SIDE_PX) + 1) / (2 * SIDE_PX)
    return np.rint(np.cos(angles) * _SCALE)


def _above_median(frequencies: np.ndarray) -> np.ndarray:
    """Which frequencies are above their median, as int64 words of 64 bits, shape (n, words)."""
    flat = frequencies.reshape(len(frequencies), frequencies.shape[1] * frequencies.shape[2])
    is_above = flat > np.median(flat, axis=1, keepdims=True) if len(flat) else flat > 0
    return _words(is_above)


def _words(is_set: np.ndarray) -> np.ndarray:
    """Rows of bits as int64 words of 64, the first bit highest."""
    return np.packbits(is_set, axis=1).view(">u8").astype(np.uint64).view(np.int64)


def hamming_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of different bits of int64 or uint64 hashes, with broadcasting; words in a last axis are not added up.

    Returns:
        uint8, 0 to 64 a word.

    Example:
        >>> hamming_distance(np.array([0, -1]), np.array([7, -1])).tolist()
        [3, 0]
    """
    return np.bitwise_count(np.asarray(a).view(np.uint64) ^ np.asarray(b).view(np.uint64))


def detail_words(detail_hash: np.ndarray) -> np.ndarray:
    """Stored details (64 bytes each, little-endian) as int64 words, shape (n, 8).

    Args:
        detail_hash: bytes objects, shape (n,).

    Raises:
        SchemaError: a value is not 64 bytes long.
    """
    lengths = {len(value) for value in detail_hash}
    if lengths - {64}:
        raise SchemaError(f"a detail_hash has 64 bytes; lengths found: {sorted(lengths)}")
    return np.frombuffer(b"".join(detail_hash), "<i8").astype(np.int64, copy=False).reshape(-1, 8)


def detail_bytes(detail: np.ndarray) -> list[bytes]:
    """The stored form of details, the inverse of `detail_words`."""
    whole = np.ascontiguousarray(detail, "<i8").tobytes()
    return [whole[at : at + 64] for at in range(0, len(whole), 64)]
