"""Pictures that look like one of a few given ones, by the project's perceptual distance."""

from collections.abc import Iterator

import numpy as np

from curation_assets.algorithms.hamming_join import hamming_pairs
from curation_assets.algorithms.perceptual_hash import PerceptualHashes
from curation_assets.algorithms.perceptual_pairs import perceptual_pairs

WORDS = 10  # of a picture: its hash, that of the flipped one, and eight of details


def near_rows(wanted: np.ndarray, pictures: np.ndarray, radius: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of a wanted picture and another within a distance, in blocks; a pair may come several times.

    Args:
        wanted: int64, shape (m, 10), words of the pictures that are looked for; or (m, 1) if only their 64 bits are known,
            which are then compared alone, with the picture and with its mirror image.
        pictures: int64, shape (n, 10).
        radius: largest distance, 0 to 16.

    Yields:
        Row of `wanted` and row of `pictures`, int64 of one shape.
    """
    if not len(wanted) or not len(pictures):
        return
    if wanted.shape[1] == 1:
        for column in range(2):
            for pairs in hamming_pairs(wanted[:, 0], np.ascontiguousarray(pictures[:, column]), radius=radius):
                yield pairs.left, pairs.right
        return
    m, words = len(wanted), np.concatenate([wanted, pictures])
    hashes = PerceptualHashes(*(np.ascontiguousarray(part) for part in (words[:, 0], words[:, 1], words[:, 2:])))
    for pairs in perceptual_pairs(hashes, radius, np.arange(len(words)) < m):
        for left, right in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
            is_found = (left < m) & (right >= m)
            yield left[is_found], right[is_found] - m


def words_of(hashes: PerceptualHashes) -> np.ndarray:
    """Hashes of n pictures as one array, int64 of shape (n, 10)."""
    return np.column_stack([hashes.plain, hashes.mirrored, hashes.detail])
