"""Image bytes to the uint8 square that a CLIP model's own evaluation transform would see; Pillow and numpy only.

This file is also the program of a decode worker (`image_reader.py` starts it by path), so it imports nothing of ours
and no torch: a worker is ready after the import of Pillow. Mean and standard deviation belong to the encoder's device.
"""

import io
import json
import os
import re
import signal
import socket
import sys
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pyarrow import ChunkedArray

# Raster formats of web pools. EPS is not among them: Pillow opens it by running Ghostscript on the untrusted payload.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO", "TGA")
RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
RESIZE_MODES = ("shortest", "squash")
# An image of 1 x 10,000 px becomes 224 x 2,240,000 px before the crop: 1.5 GB. Pillow's own bomb limit, on the result.
MAX_RESIZED_PIXELS = 2 * 89_478_485


class ImageBytes(NamedTuple):
    """Where one encoded image lies: `length` bytes at `offset` bytes into the file `path`.

    If `column` is given, the file is a parquet file and the image the value of that column in row `offset`.
    """

    path: str
    offset: int
    length: int
    column: str = ""


class Framing(NamedTuple):
    """How a picture is brought to a square: side in pixels, one of RESIZE_MODES, and a name in RESAMPLING."""

    size_px: int
    resize_mode: str = "shortest"
    interpolation: str = "bicubic"


def decode_rgb(payload: bytes, framing: Framing) -> np.ndarray:
    """The pixels that OpenCLIP's evaluation transform hands to its ToTensor, to the byte.

    Resize, then centre crop, then conversion to RGB: in this order a palette image is resized by nearest neighbour and
    transparency is premultiplied, exactly as there. EXIF orientation is not applied and of an animation the first frame
    is taken, also as there. JPEG draft mode would be faster and is not byte-equal.

    Args:
        payload: one encoded image, in a format of FORMATS.
        framing: side of the square in pixels, resize mode and interpolation.

    Returns:
        uint8, shape (size_px, size_px, 3).

    Raises:
        OSError: not an image, or a truncated one; Pillow raises other types too for damaged bytes.

    Source:
        open_clip 3.3 transform.py image_transform(is_train=False); torchvision 0.28 Resize and CenterCrop. Departures:
        formats outside FORMATS, and images whose resized form has more than MAX_RESIZED_PIXELS pixels, are refused.
    """
    with warnings.catch_warnings():  # Pillow warns about odd palettes and EXIF; a row must not depend on warning filters
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(payload), formats=FORMATS)
        width, height = resized_px(image.size, framing)
        if width * height > MAX_RESIZED_PIXELS:
            raise OSError(f"image of {image.size[0]} x {image.size[1]} px is {width} x {height} px after the resize")
        if image.size != (width, height):
            image = image.resize((width, height), RESAMPLING[framing.interpolation])
        side = framing.size_px
        left, top = round((width - side) / 2.0), round((height - side) / 2.0)
        return np.asarray(image.crop((left, top, left + side, top + side)).convert("RGB"))


def resized_px(size_px: tuple[int, int], framing: Framing) -> tuple[int, int]:
    """Width and height before the centre crop: the shorter side is the square's, or both are (squash).

    Example:
        >>> resized_px((640, 480), Framing(224))
        (298, 224)
        >>> resized_px((640, 480), Framing(224, "squash"))
        (224, 224)
    """
    width, height = size_px
    side = framing.size_px
    if framing.resize_mode == "squash":
        return side, side
    long_side = int(side * max(width, height) / min(width, height))
    return (side, long_side) if width <= height else (long_side, side)


def decode_rows(rows: Sequence[ImageBytes], framing: Framing) -> tuple[np.ndarray, list[str | None]]:
    """Decode a run of images; a bad one is zeros and a reason, never an exception.

    Args:
        rows: where the images lie; every file is opened once.
        framing: the square that is wanted.

    Returns:
        uint8, shape (n, size_px, size_px, 3), and per row None or the reason, which is the same text on every machine.
    """
    pixels = np.zeros((len(rows), framing.size_px, framing.size_px, 3), dtype=np.uint8)
    errors: list[str | None] = [None] * len(rows)
    files: dict[str, int] = {}
    try:
        for row, place in enumerate(rows):
            try:
                pixels[row] = decode_rgb(read_payload(place, files), framing)
            except MemoryError:  # the machine's fault, not the row's: a retry may give another answer
                raise
            except Exception as error:  # Pillow raises some ten types for damaged bytes; here a row becomes data
                errors[row] = reason(error)
    finally:
        for file in files.values():
            os.close(file)
    return pixels, errors


def read_payload(place: ImageBytes, files: dict[str, int]) -> bytes:
    """The bytes of one encoded image.

    Args:
        place: where they lie.
        files: descriptors of files that are open, by path; one that is opened here is added, for the caller to close.

    Raises:
        OSError: the file cannot be read, or ends too early.
    """
    if place.column:
        return _parquet_value(place)
    if place.path not in files:
        files[place.path] = os.open(place.path, os.O_RDONLY)
    payload = os.pread(files[place.path], place.length, place.offset)
    if len(payload) < place.length:
        raise OSError(f"file ends after {len(payload)} of {place.length} bytes")
    return payload


def _parquet_value(place: ImageBytes) -> bytes:
    """One value of a column of images; its row group stays in memory, since its neighbours are asked for next."""
    status = os.stat(place.path)
    file = (place.path, f"{status.st_size}:{status.st_mtime_ns}")
    ends = _row_group_ends(*file)
    group = int(np.searchsorted(ends, place.offset, side="right"))
    if group == len(ends):
        raise OSError(f"file ends before row {place.offset}")
    values = _row_group(*file, place.column, group)
    value = values[place.offset - int(ends[group])].as_py()  # counted from the end of the group
    payload = value["bytes"] if isinstance(value, dict) else value
    if payload is None or len(payload) != place.length:
        raise OSError(f"row {place.offset} has not the {place.length} bytes that were read from it before")
    return payload


# Imported here, since a worker for any other pool does without pyarrow.
@lru_cache(maxsize=64)
def _row_group_ends(path: str, stamp: str) -> np.ndarray:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        counts = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    return np.cumsum(counts, dtype=np.int64)


@lru_cache(maxsize=1)
def _row_group(path: str, stamp: str, column: str, group: int) -> "ChunkedArray":
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        return file.read_row_group(group, columns=[column])[column]


def reason(error: Exception) -> str:
    """Type and text of an error without object addresses and paths, so that equal faults have equal text.

    Example:
        >>> reason(OSError("cannot identify image file <_io.BytesIO object at 0x7f00>"))
        'OSError: cannot identify image file'
        >>> reason(FileNotFoundError(2, "No such file or directory", "a.tar"))
        'FileNotFoundError: No such file or directory'
    """
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {re.sub(r' ?<[^>]*>', '', text)}"


def serve(descriptor: int) -> None:
    """Answer decode requests on an inherited socket until the other side closes it or dies.

    A request is one JSON line [rows, framing]; the answer is one JSON line with the reasons, then the raw pixels.

    Args:
        descriptor: number of the inherited file descriptor of a connected stream socket.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent closes the socket itself
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as stream:
        try:
            while request := stream.readline():
                rows, framing = json.loads(request)
                pixels, errors = decode_rows([ImageBytes(*row) for row in rows], Framing(*framing))
                stream.write(json.dumps(errors).encode() + b"\n")
                stream.write(memoryview(pixels).cast("B"))
                stream.flush()
        except ConnectionError:
            os._exit(0)  # the parent is gone: nobody reads an answer, and closing the stream would raise again


if __name__ == "__main__":
    serve(int(sys.argv[1]))
