"""Images and captions to unit vectors: rows, batches, faults per row. Where weights come from is elsewhere."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from curation_assets.errors import EncoderError, PoolError
from resources.decode import ImageBytes
from resources.image_reader import ImageReader
from resources.openclip import Network, weights_sha256
from resources.towers import PendingVectors, Towers

PRECISIONS = ("fp32", "fp16", "bf16")
PROGRESS_INTERVAL_S = 5.0


class Encoded(NamedTuple):
    """Vectors of n samples, float32 (n, d), L2 norm 1; where `errors` holds a text and not None both rows are zero."""

    image_embedding: np.ndarray
    text_embedding: np.ndarray
    errors: list[str | None]


class Encoder:
    """A CLIP network on a device.

    Args:
        network: module, tokenizer, preprocessing and name.
        device: torch's name of the device, such as cpu or cuda:0.
        precision: one of PRECISIONS; weights stay float32, fp16 and bf16 run the two towers under autocast.
        batch_size: samples per forward pass, and the fixed shape to which every pass is padded.
        decode_workers: processes that read and decode images; 0 decodes in this process.
    """

    def __init__(
        self,
        network: Network,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        batch_size: int = 32,
        decode_workers: int = 0,
    ) -> None:
        self.name = network.name
        self.device = device
        self.weights_sha256 = weights_sha256(network.module.state_dict())
        self.image_size_px = network.preprocessing.framing.size_px
        self._facts = [repr(network.module), [list(part) for part in network.preprocessing], precision]
        self._framing = network.preprocessing.framing
        self._batch_size = batch_size
        self._decode_workers = decode_workers
        self._tokenizer = network.tokenizer
        self._towers = Towers(network.module, network.preprocessing, device=device, precision=precision, batch_size=batch_size)
        self.dimensions = self._towers.dimensions(self._tokenizer(["a photo"]))

    def encode(self, images: Sequence[ImageBytes], texts: Sequence[str], log: Callable[[str], None]) -> Encoded:
        """Embed samples; a bad row is zeros and a reason.

        Every forward pass has the same shape (the last is padded), so a row's vector depends neither on its neighbours,
        nor on its place, nor on how many rows there are. On a CPU with fp32 that holds to the last bit for one batch
        size, thread count and build of torch (measured: tiny CLIP and ViT-B/32, torch 2.13, AMD EPYC, 2 threads,
        2026-11); on CUDA, and across batch sizes, up to the rounding of the kernels that are chosen.

        Args:
            images: where the images lie, n of them.
            texts: their captions, n of them; longer ones are cut at the model's context length.
            log: takes a line of progress every few seconds.

        Returns:
            Two float32 arrays (n, d) with unit rows, and per row None or the reason why both of its rows are zero.

        Raises:
            EncoderError: not as many texts as images, no memory on the device for one sample, or a worker died twice.
            PoolError: a file of `images` cannot be read.
        """
        if len(images) != len(texts):
            raise EncoderError(f"encode was given {len(images)} images and {len(texts)} texts; it needs one text per image")
        _check_readable(images)
        count = len(images)
        encoded = Encoded(*(np.zeros((count, self.dimensions), np.float32) for _ in range(2)), [None] * count)
        progress = Progress(count, self.device, log)
        done = 0
        for image, text, errors in self._batches(images, texts, log):
            rows = range(done, done + len(errors))
            for row, error, fault in zip(rows, errors, _faults(image, text), strict=True):
                encoded.errors[row] = error or fault
            kept = np.array([encoded.errors[row] is None for row in rows])[:, None]
            encoded.image_embedding[done : rows.stop] = np.where(kept, image, 0.0)
            encoded.text_embedding[done : rows.stop] = np.where(kept, text, 0.0)
            done = rows.stop
            progress.report(done)
        return encoded

    def encode_texts(self, texts: Sequence[str], log: Callable[[str], None]) -> tuple[np.ndarray, list[str | None]]:
        """Embed texts that have no image, such as class names.

        They go through the same pass as captions, beside black pictures, so that equal texts get equal vectors.

        Args:
            texts: n of them; longer ones are cut at the model's context length.
            log: takes a line when the batch is halved.

        Returns:
            Float32 array (n, d) with unit rows, and per row None or the reason why it is zero.

        Raises:
            EncoderError: no memory on the device for one sample.
        """
        vectors, errors = np.zeros((len(texts), self.dimensions), np.float32), []
        for start in range(0, len(texts), self._batch_size):
            part = list(texts[start : start + self._batch_size])
            black = np.zeros((len(part), self.image_size_px, self.image_size_px, 3), np.uint8)
            _, text = self._towers.launch(black, self._tokenizer(part), log).arrays()
            faults = _faults(np.ones_like(text), text)
            vectors[start : start + len(part)] = np.where(np.equal(faults, None)[:, None], text, 0.0)
            errors += faults
        return vectors, errors

    def _batches(
        self, images: Sequence[ImageBytes], texts: Sequence[str], log: Callable[[str], None]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, list[str | None]]]:
        """Vectors and decoding errors batch by batch; the device works on one while the one before is taken away."""
        running: tuple[PendingVectors, list[str | None]] | None = None
        start = 0
        with ImageReader(self._framing, batch_size=self._batch_size, workers=self._decode_workers) as reader:
            for pixels, errors in reader.batches(images):
                tokens = self._tokenizer(list(texts[start : start + len(errors)]))
                launched = self._towers.launch(pixels, tokens, log), errors
                if running:
                    yield *running[0].arrays(), running[1]
                running = launched
                start += len(errors)
            if running:
                yield *running[0].arrays(), running[1]


class Progress:
    """A line of progress every PROGRESS_INTERVAL_S seconds, and one at the end."""

    def __init__(
        self, count: int, device: str, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count, self._device, self._log, self._clock = count, device, log, clock
        self._began = self._last = clock()

    def report(self, done: int) -> None:
        """Tell that `done` samples are embedded, when it is time to."""
        now = self._clock()
        if done < self._count and now - self._last < PROGRESS_INTERVAL_S:
            return
        rate = done / max(now - self._began, 1e-9)
        self._log(f"embedded {done:,} of {self._count:,} samples, {rate:,.0f} samples/s on {self._device}")
        self._last = now


def _faults(image: np.ndarray, text: np.ndarray) -> list[str | None]:
    """Per row what is wrong with its vectors, or None."""
    faults: list[str | None] = [None] * len(image)
    for kind, vectors in (("text", text), ("image", image)):  # where both are bad, the image is named
        is_finite, is_nonzero = np.isfinite(vectors).all(axis=1), vectors.any(axis=1)
        for row in np.flatnonzero(~(is_finite & is_nonzero)):
            faults[row] = f"{kind} vector is zero" if is_finite[row] else f"{kind} vector is not finite"
    return faults


def _check_readable(images: Sequence[ImageBytes]) -> None:
    """A pool file that is gone is one fault of the pool, not one of each of its rows."""
    missing = [path for path in dict.fromkeys(image.path for image in images) if not os.access(path, os.R_OK)]
    if missing:
        raise PoolError(
            f"encode cannot read {len(missing)} of the pool's files, such as {missing[:3]}; were they moved or renamed "
            f"since the pool was ingested? Put them back, or ingest their shards again"
        )
