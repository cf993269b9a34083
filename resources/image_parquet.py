"""Reads one parquet file of captions with the images inside, or with their URLs only, into columns of facts."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curation_assets.errors import PoolError
from resources.images import ImageFacts, Refusal, inspect_image
from resources.parquet_columns import column_batches, numbers_of, texts_of
from resources.sample_facts import Parts
from resources.shard_contents import ShardContents, shard_contents
from resources.webdataset import IMAGE_LIMIT_BYTES, SMALL_MEMBER_LIMIT_BYTES

_BATCH_ROWS = 64  # rows whose images are in memory at once
_LARGEST_SIDE_PX = 2**31 - 1


class ColumnNames(NamedTuple):
    """What the columns are called; `image` is None where the file holds no images. All but image and text may be missing."""

    image: str | None
    text: str
    url: str
    uid: str
    width: str
    height: str


def read_image_parquet(path: Path, names: ColumnNames, *, max_image_pixels: int, verify: str = "structure") -> ShardContents:
    """Facts of every row of a file; nothing that a row holds makes it raise.

    An image is a value of bytes, or a struct with `bytes` as Hugging Face writes it. A row without bytes is kept if it has
    width and height, and a uid or a URL to be known by: its uid is then the column's, else the first 16 bytes of
    sha256(URL, 0x00, caption).

    Args:
        path: the parquet.
        names: of its columns.
        max_image_pixels: width x height by header beyond which an image is refused (image_bomb).
        verify: `structure` reads image headers and lengths, `decode` decodes every image to its last pixel.

    Returns:
        Columns in the order of the rows; `offset_bytes` is the row, or None where there are no bytes. The key is the row.

    Raises:
        PoolError: the file cannot be read, or a column is missing or of another type.
    """
    needed = (names.text,) if names.image is None else (names.text, names.image)
    optional = tuple(name for name in (names.url, names.uid, names.width, names.height) if name not in needed)
    samples: list[Parts] = []
    for batch in column_batches(path, needed, optional, batch_rows=_BATCH_ROWS):
        texts = [texts_of(path, batch, name) for name in (names.text, names.url, names.uid)]
        sizes = [numbers_of(path, batch, name) for name in (names.width, names.height)]
        images = [None] * len(batch) if names.image is None else _images(path, batch, names.image)
        for image, text, url, uid, width, height in zip(images, *texts, *sizes, strict=True):
            parts = Parts(str(len(samples)), len(samples), caption_source="text", extensions={"row"})
            _take_texts(parts, text, url, uid)
            if image is None:
                _take_stated(parts, (width, height), url, uid)
            else:
                _take_image(parts, image, max_image_pixels, verify)
            samples.append(parts)
    contents = shard_contents(samples, None)
    contents.check_accounts()
    return contents


def _images(path: Path, batch: pa.Table, name: str) -> list[bytes | None]:
    """The bytes of a column of images."""
    column = batch[name].combine_chunks()
    if pa.types.is_struct(column.type) and "bytes" in {field.name for field in column.type}:
        column = pa.compute.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type) or pa.types.is_null(column.type)):
        raise PoolError(f"{path.name}: column {name!r} is {column.type}, expected bytes, or a struct with bytes")
    return column.to_pylist()


def _take_texts(parts: Parts, text: bytes | None, url: bytes | None, uid: bytes | None) -> None:
    if text is not None and len(text) > SMALL_MEMBER_LIMIT_BYTES:
        parts.too_large["txt"] = len(text)
    else:
        parts.text = text
    fields = {name: value.decode("utf-8", "replace") for name, value in (("url", url), ("uid", uid)) if value is not None}
    parts.json = json.dumps(fields).encode() if fields else None


def _take_image(parts: Parts, payload: bytes, max_pixels: int, verify: str) -> None:
    if len(payload) > IMAGE_LIMIT_BYTES:
        parts.image = Refusal("image_bomb", f"image of {len(payload)} bytes, at most {IMAGE_LIMIT_BYTES} are read")
        return
    parts.image_bytes, parts.image_digest = len(payload), hashlib.sha256(payload)
    parts.image = inspect_image(payload, max_pixels=max_pixels, verify=verify)


def _take_stated(parts: Parts, size: tuple[float, float], url: bytes | None, uid: bytes | None) -> None:
    """What the source states of an image that is not in the file."""
    if url is None and uid is None:
        parts.image = Refusal("missing_image", "neither bytes, nor a uid or URL")
    elif not all(1 <= side <= _LARGEST_SIDE_PX and side == np.floor(side) for side in size):  # NaN compares false
        parts.image = Refusal("missing_image", f"no bytes, and {size[0]:g} x {size[1]:g} px is no size to go by")
    else:
        parts.image = ImageFacts(None, int(size[0]), int(size[1]))
        parts.image_digest = hashlib.sha256(url or b"")
        parts.image_offset = parts.image_bytes = None
