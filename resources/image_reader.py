"""Reads and decodes images ahead of their use, in worker processes, in the order in which they were asked for."""

import json
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np

from curation_assets.errors import EncoderError
from resources import decode
from resources.decode import Framing, ImageBytes

LOOK_AHEAD_BATCHES = 3  # decoded or in work beyond the batch in use; bounds memory


class DecodedBatch(NamedTuple):
    """uint8 pixels, shape (b, size_px, size_px, 3), and per row None or why it could not be decoded (zeros)."""

    pixels: np.ndarray
    errors: list[str | None]


class ImageReader:
    """Decoded batches in order, with bounded look-ahead; a context manager that leaves no process behind.

    Workers are fresh interpreters that run only `decode.py`. They are neither forked (torch and Dagster threads are
    alive here) nor started by multiprocessing, which would import the caller's `__main__`, hence Dagster, in each of
    them. When this process dies they read the end of their socket and stop.

    Args:
        framing: the square that is wanted.
        batch_size: rows per batch; the last one may be shorter.
        workers: worker processes; 0 decodes in this process, when a batch is asked for.
    """

    def __init__(self, framing: Framing, *, batch_size: int, workers: int) -> None:
        self._framing = framing
        self._batch_size = batch_size
        self._chunk_rows = -(-batch_size // (2 * workers)) if workers else batch_size
        self._is_open = True
        self._processes: list[DecodeProcess] = []
        self._idle: SimpleQueue[DecodeProcess] = SimpleQueue()
        self._threads = ThreadPoolExecutor(max(1, workers), thread_name_prefix="decode")
        self._workers = workers
        for _ in range(workers):
            self._idle.put(self._started())

    def __enter__(self) -> "ImageReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def batches(self, images: Sequence[ImageBytes]) -> Iterator[DecodedBatch]:
        """Decode `images` batch by batch, in order.

        Args:
            images: where the images lie.

        Yields:
            Batches of `batch_size` rows, at most LOOK_AHEAD_BATCHES of them prepared beforehand.

        Raises:
            EncoderError: a worker died twice on the same images.
        """
        starts = range(0, len(images), self._batch_size)
        if not self._workers:
            for start in starts:
                yield DecodedBatch(*decode.decode_rows(images[start : start + self._batch_size], self._framing))
            return
        waiting = iter(starts)
        running = deque(self._submitted(images, start) for start in islice(waiting, LOOK_AHEAD_BATCHES))
        while running:
            pixels, chunks = running.popleft()
            errors = [error for chunk in chunks for error in chunk.result()]
            running.extend(self._submitted(images, start) for start in islice(waiting, 1))
            yield DecodedBatch(pixels, errors)

    def worker_pids(self) -> list[int]:
        """Process ids of the workers alive now."""
        return [process.pid for process in self._processes if process.is_alive()]

    def close(self) -> None:
        """End every worker and wait for it; batches not yet taken are lost. May be called twice."""
        self._is_open = False
        for process in self._processes:  # a thread that waits for a worker's answer wakes up when the worker is gone
            process.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for process in self._processes:
            process.close()

    def _submitted(self, images: Sequence[ImageBytes], start: int) -> tuple[np.ndarray, list[Future[list[str | None]]]]:
        """A batch's array, still to be filled, and the promises of its parts' reasons."""
        rows = images[start : start + self._batch_size]
        pixels = np.empty((len(rows), self._framing.size_px, self._framing.size_px, 3), dtype=np.uint8)
        parts = [slice(low, low + self._chunk_rows) for low in range(0, len(rows), self._chunk_rows)]
        return pixels, [self._threads.submit(self._decoded, rows[part], pixels[part]) for part in parts]

    def _decoded(self, rows: Sequence[ImageBytes], pixels: np.ndarray) -> list[str | None]:
        """Fill `pixels` in a worker; one that dies is replaced and asked once more."""
        process = self._idle.get()
        try:
            for _ in range(2):
                try:
                    return process.decoded(rows, self._framing, pixels)
                except (OSError, EOFError):
                    if not self._is_open:
                        raise
                    process.kill()
                    process = self._started()
        finally:
            self._idle.put(process)
        raise EncoderError(
            f"a decode worker died twice on the same {len(rows)} images, from {rows[0].path} at byte {rows[0].offset} "
            f"to {rows[-1].path} at byte {rows[-1].offset}; it was killed (out of memory?) or an image crashes the "
            f"decoder; set decode_workers: 0 to see the crash, or give the machine more memory"
        )

    def _started(self) -> "DecodeProcess":
        process = DecodeProcess()
        self._processes.append(process)
        return process


class DecodeProcess:
    """One worker: a fresh interpreter that runs `decode.py` at the other end of a socket."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        command = [sys.executable, "-P", str(Path(decode.__file__)), str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._stream = self._connection.makefile("rwb")
        self.pid = self._process.pid

    def decoded(self, rows: Sequence[ImageBytes], framing: Framing, pixels: np.ndarray) -> list[str | None]:
        """Have `rows` decoded into `pixels`, a C-contiguous array, and return the reasons.

        Raises:
            EOFError: the worker died before the answer was whole; OSError: before the question was.
        """
        self._stream.write(json.dumps([list(map(list, rows)), list(framing)]).encode() + b"\n")
        self._stream.flush()
        answer = self._stream.readline()
        if not answer.endswith(b"\n") or self._stream.readinto(memoryview(pixels).cast("B")) != pixels.nbytes:
            raise EOFError(f"decode worker {self.pid} died")
        return json.loads(answer)

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process at once; it holds nothing worth saving."""
        self._process.kill()

    def close(self) -> None:
        """End the process, wait for it and free its socket."""
        self.kill()
        self._process.wait()
        with suppress(OSError):  # bytes of a question that the dead worker will never read
            self._stream.close()
        self._connection.close()
