"""Image-text pairs as a small network trains on them: decoded once, in an order of their own, a part held out."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from curation_assets.errors import EncoderError
from resources.decode import Framing, ImageBytes
from resources.image_reader import ImageReader

MIN_PAIRS = 4  # on either side of the split: fewer cannot be contrasted
DERANGEMENTS = 5  # swapped captions per held-out picture


class Pairs(NamedTuple):
    """Decoded pairs: uint8 pixels (n, side, side, 3), their captions, and a digest of them all."""

    pixels: np.ndarray
    texts: list[str]
    digest: str


class Split(NamedTuple):
    """Pairs to learn from, pairs held out, and how many could not be decoded."""

    training: Pairs
    held_out: Pairs
    undecodable: int


def split_pairs(
    images: Sequence[ImageBytes], texts: Sequence[str], *, side_px: int, holdout_fraction: float, seed: int
) -> Split:
    """Decode pairs and hold a part of them out, by content: their order and their files make no difference.

    A pair's keyed hash decides its side and its place, so equal pairs are never on both sides.

    Args:
        images: where the pictures lie, n of them.
        texts: their captions, n of them.
        side_px: side of the square to which pictures are brought.
        holdout_fraction: expected share of pairs held out.
        seed: key of the hash.

    Raises:
        EncoderError: not as many texts as images, or fewer than MIN_PAIRS pairs on one side.
    """
    if len(images) != len(texts):
        raise EncoderError(f"training was given {len(images)} images and {len(texts)} texts; it needs one per image")
    with ImageReader(Framing(side_px), batch_size=256, workers=0) as reader:
        batches = list(reader.batches(images))
    errors = [error for batch in batches for error in batch.errors]
    pixels = [picture for batch in batches for picture in batch.pixels]
    keyed = sorted((_pair_digest(pixels[row], texts[row], seed), row) for row, error in enumerate(errors) if error is None)
    limit = round(holdout_fraction * 2**64)
    sides = [[pair for pair in keyed if (int.from_bytes(pair[0][:8]) < limit) is held_out] for held_out in (False, True)]
    if min(map(len, sides)) < MIN_PAIRS:
        raise EncoderError(
            f"training needs {MIN_PAIRS} pairs to learn from and {MIN_PAIRS} to hold out; of {len(images)} pairs, "
            f"{len(images) - len(keyed)} cannot be decoded and a holdout_fraction of {holdout_fraction} makes "
            f"{len(sides[0])} and {len(sides[1])}"
        )
    training, held_out = (
        Pairs(
            np.stack([pixels[row] for _, row in side]),
            [texts[row] for _, row in side],
            hashlib.sha256(b"".join(digest for digest, _ in side)).hexdigest(),
        )
        for side in sides
    )
    return Split(training, held_out, len(images) - len(keyed))


def _pair_digest(pixels: np.ndarray, text: str, seed: int) -> bytes:
    digest = hashlib.blake2b(key=f"holdout {seed}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels))
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.digest()


def matched_auc(image: np.ndarray, text: np.ndarray, texts: Sequence[str], *, seed: int) -> float:
    """Probability that a picture is more similar to a caption of its own than some picture is to another's caption.

    Each picture is compared with the captions of DERANGEMENTS other pictures; equal captions are no swap and left out.

    Args:
        image: float32, shape (n, d), L2 norm 1.
        text: float32, shape (n, d), L2 norm 1.
        texts: the captions, n of them.
        seed: decides which captions are swapped.

    Returns:
        Area under the ROC curve, dimensionless in [0, 1]; ties count one half.

    Raises:
        EncoderError: all captions are equal.

    Example:
        >>> axes = np.eye(3, dtype=np.float32)
        >>> matched_auc(axes, axes, ["a", "b", "c"], seed=0)
        1.0
    """
    count = len(image)
    order = np.random.default_rng([seed, 1]).permutation(count)
    names = np.array([hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts])
    matched = np.einsum("nd,nd->n", image, text)
    swapped = []
    for shift in range(1, min(DERANGEMENTS, count - 1) + 1):
        other = np.empty(count, dtype=np.intp)
        other[order] = np.roll(order, shift)
        is_swap = names != names[other]
        swapped.append(np.einsum("nd,nd->n", image, text[other])[is_swap])
    negatives = np.sort(np.concatenate(swapped))
    if not len(negatives):
        raise EncoderError(f"all {count} held-out captions are equal; a network that tells captions apart needs others")
    below, upto = (np.searchsorted(negatives, matched, side=side) for side in ("left", "right"))
    return float((below + upto).sum() / (2 * len(matched) * len(negatives)))
