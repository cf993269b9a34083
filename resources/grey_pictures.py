"""Image bytes to the small grey square that perceptual hashes are made of; Pillow and numpy only."""

import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageOps

from resources.decode import FORMATS, ImageBytes, read_payload, reason

SIDE_PX = 32


def grey_picture(payload: bytes) -> np.ndarray:
    """The picture as people see it, in grey, squeezed to 32 x 32 px.

    EXIF rotation is applied and transparent parts lie on white, so that a copy saved without either is still a copy. Of an
    animation the first frame is taken. The whole picture is decoded: JPEG's draft mode would be faster, and a picture and
    its copy in half the size would differ more.

    Args:
        payload: one encoded image, in a format of decode.FORMATS.

    Returns:
        uint8, shape (32, 32).

    Raises:
        OSError: not an image, or a truncated one; Pillow raises other types too for damaged bytes.

    Source:
        `imagehash.phash` 4.3: conversion to L, then Lanczos to 32 x 32. Departures: EXIF rotation and the white ground.

    Example:
        >>> red = io.BytesIO()
        >>> Image.new("RGBA", (5, 3), (255, 0, 0, 0)).save(red, "PNG")
        >>> int(grey_picture(red.getvalue()).min())
        255
    """
    with warnings.catch_warnings():  # Pillow warns about odd palettes and EXIF; a row must not depend on warning filters
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(payload), formats=FORMATS)
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        grey = image.convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
        return np.asarray(grey)


def grey_pictures(places: Sequence[ImageBytes], threads: int) -> tuple[np.ndarray, list[str | None]]:
    """The pictures of many rows, decoded side by side; Pillow lets other threads run while it decodes.

    Args:
        places: where the encoded images lie.
        threads: at least 1.

    Returns:
        uint8, shape (n, 32, 32), and per row None or why its picture is black.
    """
    pictures = np.zeros((len(places), SIDE_PX, SIDE_PX), np.uint8)
    with ThreadPoolExecutor(threads) as pool:
        parts = np.array_split(np.arange(len(places)), threads)
        faults = pool.map(lambda rows: _into(pictures, places, rows), parts)
        return pictures, [fault for part in faults for fault in part]


def _into(pictures: np.ndarray, places: Sequence[ImageBytes], rows: np.ndarray) -> list[str | None]:
    """Fill in the pictures of some rows."""
    faults: list[str | None] = []
    files: dict[str, int] = {}
    try:
        for row in rows:
            try:
                pictures[row] = grey_picture(read_payload(places[row], files))
                faults.append(None)
            except Exception as error:  # Pillow's plugins raise whatever they like on hostile bytes: a bad row is data
                faults.append(reason(error))
    finally:
        for file in files.values():
            os.close(file)
    return faults
