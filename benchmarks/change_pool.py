"""The pool of benchmarks/change.py: captions, image facts and embeddings drawn from seeds, and no pictures.

A tar is a placeholder that holds nothing but its number of rows, so that names, stamps and disappearances are real. What
is drawn depends on the tar's name alone. The seconds that drawing takes are kept apart: they stand in for hours of reading
images and of a GPU, and are part of no result.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from curation_assets.demo.captions import LANGUAGES, SHORT_KINDS, describe, short_caption
from curation_assets.demo.scenes import random_scene
from resources.decode import ImageBytes
from resources.encoder import Encoded
from resources.webdataset import ShardContents

# Shares of captions in the languages of the demo, English first; the web's pools are about half English.
_LANGUAGE_SHARES = (0.55, 0.08, 0.08, 0.09, 0.05, 0.08, 0.07)
_SENTENCES, _SHORT_SHARE = 400, 0.06
_REJECTED_SHARE, _UNDECODABLE_SHARE = 0.005, 0.001
_SLOT_BYTES = 1024  # distance of images in a tar: an offset says which row it belongs to
_TOPICS = 400


class Stopwatch:
    """Wall and CPU seconds that this process spent drawing, and the wall seconds of each artifact that was drawn."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0
        self.by_artifact = {"raw_pool": 0.0, "embeddings": 0.0}

    @contextmanager
    def running(self, artifact: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        seconds = time.perf_counter() - wall
        self.wall_s += seconds
        self.cpu_s += time.process_time() - cpu
        self.by_artifact[artifact] += seconds


drawing = Stopwatch()


def write_tar(path: Path, rows: int) -> None:
    """A placeholder for a tar whose pool has so many rows, and one rejected sample per 200 of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(rows))


def drawn_shard(path: Path, *, max_image_pixels: int = 0, verify: str = "") -> ShardContents:
    """Stands in for `resources.webdataset.read_shard`."""
    with drawing.running("raw_pool"):
        rng, seen, is_kept = _layout(path)
        row = np.flatnonzero(is_kept)
        rejected_row = np.flatnonzero(~is_kept).tolist()
        rejected = {
            "row": rejected_row,
            "key": [f"{n:09d}" for n in rejected_row],
            "reason": ["missing_image"] * len(rejected_row),
            "detail": ["members: ['json', 'txt']"] * len(rejected_row),
            "offset_bytes": [n * _SLOT_BYTES for n in rejected_row],
        }
        return ShardContents({"row": row.tolist(), **_facts(path.stem, rng, row)}, rejected, seen)


class DrawnClip:
    """Stands in for the resource `clip`."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions

    def __repr__(self) -> str:
        return f"DrawnClip({self._dimensions})"

    def load(self) -> "DrawnEncoder":
        return DrawnEncoder(self._dimensions)

    def load_network(self, config: Mapping[str, object], weights: Path) -> "DrawnEncoder":
        raise NotImplementedError(f"there is no network here: {config} {weights}")


class DrawnEncoder:
    """Image vectors around topics, and captions' at a cosine of about 0.27 to them; nothing of a tar is read but its name."""

    name, image_size_px, device = "drawn", 224, "cpu"

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.weights_sha256 = hashlib.sha256(f"drawn {dimensions}".encode()).hexdigest()

    def encode(self, images: Sequence[ImageBytes], texts: Sequence[str], log: Callable[[str], None]) -> Encoded:
        """Vectors of rows of one tar."""
        with drawing.running("embeddings"):
            row = np.array([image.offset for image in images]) // _SLOT_BYTES
            image, text, is_undecodable = self._vectors(Path(images[0].path))
            errors = ["undecodable: image file is truncated" if wrong else None for wrong in is_undecodable[row]]
            return Encoded(image[row], text[row], errors)

    def _vectors(self, tar: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images and captions of all samples of a tar, float32, and which cannot be decoded."""
        _, seen, _ = _layout(tar)
        rng, shape = _generator(tar.stem, "vectors"), (seen, self.dimensions)
        topic = _unit(np.random.default_rng(0).standard_normal((_TOPICS, self.dimensions), np.float32))
        scale = np.float32(self.dimensions**-0.5)
        spread = rng.uniform(0.6, 1.4, (seen, 1)).astype(np.float32)
        image = _unit(topic[rng.integers(_TOPICS, size=seen)] + rng.standard_normal(shape, np.float32) * (spread * scale))
        agreement = rng.normal(0.28, 0.06, (seen, 1)).astype(np.float32)
        text = _unit(agreement * image + rng.standard_normal(shape, np.float32) * scale)
        is_undecodable = rng.random(seen) < _UNDECODABLE_SHARE
        image[is_undecodable] = text[is_undecodable] = 0
        return image, text, is_undecodable


def _layout(tar: Path) -> tuple[np.random.Generator, int, np.ndarray]:
    """Generator of a tar's facts, how many samples it has, and which of them are kept."""
    rng, rows = _generator(tar.stem, "facts"), int(tar.read_text())
    seen = rows + round(rows * _REJECTED_SHARE)
    is_kept = np.ones(seen, bool)
    is_kept[rng.choice(seen, seen - rows, replace=False)] = False
    return rng, seen, is_kept


def _facts(name: str, rng: np.random.Generator, row: np.ndarray) -> dict[str, list[object]]:
    """All columns of the kept samples but `row`."""
    n = len(row)
    payload = rng.bytes(n * 48)
    width = rng.integers(120, 1600, n)
    height = np.maximum(1, width * rng.uniform(0.25, 2.0, n)).astype(int)
    return {
        "uid": [payload[i : i + 16] for i in range(0, n * 16, 16)],
        "key": [f"{i:09d}" for i in row.tolist()],
        "text": _captions(rng, n),
        "caption_source": ["txt"] * n,
        "url": [f"https://images.example.org/{name}/{i}.jpg" for i in row.tolist()],
        "width": width.tolist(),
        "height": height.tolist(),
        "format": ["JPEG"] * n,
        "image_sha256": [payload[i : i + 32] for i in range(n * 16, n * 48, 32)],
        "offset_bytes": (row * _SLOT_BYTES).tolist(),
        "image_bytes": rng.integers(4_000, 60_000, n).tolist(),
        "licence": [None] * n,
        "is_sha256_matching": [True] * n,
        "remarks": [""] * n,
        "extra": [f'{{"original_height":{h},"original_width":{w}}}' for w, h in zip(width, height, strict=True)],
    }


def _captions(rng: np.random.Generator, n: int) -> list[str]:
    """One to three sentences each, most in English; some are a word, a number or a file name."""
    sentences = _sentences()
    language = rng.choice(len(LANGUAGES), n, p=_LANGUAGE_SHARES).tolist()
    chosen, count = rng.integers(_SENTENCES, size=(n, 3)).tolist(), rng.choice([1, 2, 3], n, p=[0.6, 0.25, 0.15]).tolist()
    captions = [" ".join(sentences[k][i] for i in at[:c]) for k, at, c in zip(language, chosen, count, strict=True)]
    for i in np.flatnonzero(rng.random(n) < _SHORT_SHARE):
        captions[i] = short_caption(SHORT_KINDS[rng.integers(len(SHORT_KINDS))], captions[i], rng)
    return captions


@cache
def _sentences() -> list[list[str]]:
    """The same sentences for all tars, by language."""
    rng = np.random.default_rng(0)
    return [[describe(random_scene(rng), language, rng) for _ in range(_SENTENCES)] for language in LANGUAGES]


def _generator(*names: str) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256("\0".join(names).encode()).digest()))


def _unit(matrix: np.ndarray) -> np.ndarray:
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
