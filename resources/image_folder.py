"""Reads one folder of image files, with captions beside them, into columns of facts, without writing anything.

Captions are in files of the same stem (`.txt`, or `.json` with `caption` or `text`), or in one table for the whole folder.
"""

import csv
import hashlib
import io
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from curation_assets.errors import PoolError
from resources.images import Refusal, inspect_image
from resources.sample_facts import BOM, Parts, encodable, json_fields
from resources.shard_contents import ShardContents, shard_contents
from resources.webdataset import IMAGE_EXTENSIONS, IMAGE_LIMIT_BYTES, SMALL_MEMBER_LIMIT_BYTES

TABLES = tuple(f"{stem}.{extension}" for stem in ("captions", "metadata") for extension in ("csv", "tsv", "jsonl"))
_SIDECARS = ("txt", "json")
_CAPTION_NAMES = ("text", "caption")
Records = dict[str, list[dict[str, object]]]


def read_folder(path: Path, *, max_image_pixels: int, verify: str = "structure") -> ShardContents:
    """Facts of every sample of a folder; nothing that is in its files makes it raise.

    Files that lie in the folder itself count, in alphabetical order; the hidden files of macOS do not. Each image is a
    sample, or as many as the table has rows for it; every other file that belongs to no image, and every row of the table
    without an image, is a rejected row. A link is followed only to a file of the same folder, and nothing but regular files
    is ever opened. The key of a sample is its file's name.

    Args:
        path: the folder.
        max_image_pixels: width x height by header beyond which an image is refused (image_bomb).
        verify: `structure` reads image headers and lengths, `decode` decodes every image to its last pixel.

    Returns:
        Columns in alphabetical order of the files. Where files lie beside an image, its row of the table does not count.

    Raises:
        PoolError: the folder cannot be listed, or its table of captions cannot be read.
    """
    try:
        files = {entry.name: _fault(path, entry) for entry in folder_files(path)}
    except OSError as error:
        raise PoolError(f"{path.name} cannot be listed: {error.strerror}") from error
    table = _table(path, [name for name in files if name in TABLES and not files[name]])
    beside = {_split(name): name for name, fault in files.items() if _split(name)[1] in _SIDECARS and not fault}
    used: set[str] = set()
    samples: list[Parts] = []
    for name, fault in files.items():
        stem, extension = _split(name)
        if fault or extension not in IMAGE_EXTENSIONS:
            if name not in TABLES or fault:
                samples.append(Parts(name, 0, image=fault, extensions={extension}))
            continue
        own = {kind: beside[stem, kind] for kind in _SIDECARS if (stem, kind) in beside}
        used.update(own.values())
        image = _image(path, name, max_image_pixels, verify)
        samples += [_with_captions(image, path, own, record) for record in table.pop(name, [{}])]
    samples = [parts for parts in samples if parts.key not in used]
    samples += [Parts(encodable(name), 0, extensions={"a row"}) for name, records in table.items() for _ in records]
    contents = shard_contents(samples, None)
    contents.check_accounts()
    return contents


def folder_files(path: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder itself, in alphabetical order: all but its sub-folders and the hidden files of macOS.

    Raises:
        OSError: the folder cannot be listed.
    """
    with os.scandir(path) as entries:
        found = [entry for entry in entries if not entry.is_dir(follow_symlinks=False) and not is_hidden(entry.name)]
    return sorted(found, key=lambda entry: os.fsencode(entry.name))


def is_hidden(name: str) -> bool:
    """Whether macOS left the file behind."""
    return name.startswith("._") or name == ".DS_Store"


def _fault(path: Path, entry: os.DirEntry[str]) -> Refusal | None:
    """Why an entry must not be opened."""
    if entry.name != encodable(entry.name):
        return Refusal("malformed_name", f"the file's name {encodable(entry.name)!r} is not UTF-8")
    try:
        is_regular = stat.S_ISREG(entry.stat().st_mode)
    except OSError as error:
        return Refusal("not_a_regular_file", f"a link to nowhere: {error.strerror}")
    folder = os.path.realpath(path)
    if entry.is_symlink() and os.path.dirname(os.path.realpath(entry.path)) != folder:
        return Refusal("not_a_regular_file", "a link that leaves the folder; it is not followed")
    return None if is_regular else Refusal("not_a_regular_file", "a device, a pipe or a link to a folder")


def _image(path: Path, name: str, max_image_pixels: int, verify: str) -> Parts:
    """An image's part of a sample."""
    parts = Parts(name, 0, extensions={_split(name)[1]})
    try:
        size = (path / name).stat().st_size
        payload = (path / name).read_bytes() if size <= IMAGE_LIMIT_BYTES else b""
    except OSError as error:
        parts.image = Refusal("unreadable_file", f"the image cannot be read: {error.strerror}")
        return parts
    if size > IMAGE_LIMIT_BYTES:
        parts.image = Refusal("image_bomb", f"image file of {size} bytes, at most {IMAGE_LIMIT_BYTES} are read")
        return parts
    parts.image_bytes, parts.image_digest = len(payload), hashlib.sha256(payload)
    parts.image = inspect_image(payload, max_pixels=max_image_pixels, verify=verify)
    return parts


def _with_captions(parts: Parts, path: Path, own: dict[str, str], record: dict[str, object]) -> Parts:
    """A sample of an image: its caption from the files beside it, else from a row of the table."""
    sample = replace(parts, extensions={*parts.extensions, *own}, too_large={}, remarks=[])
    for kind, name in own.items():
        try:
            size = (path / name).stat().st_size
            content = (path / name).read_bytes() if size <= SMALL_MEMBER_LIMIT_BYTES else None
        except OSError as error:
            sample.image = Refusal("unreadable_file", f"{name} cannot be read: {error.strerror}"[:200])
            return sample
        if content is None:
            sample.too_large[kind] = size
        elif kind == "txt":
            sample.text = content
        else:
            sample.json = content
    if not own and record:
        fields = dict(record)
        caption = next((fields.pop(name) for name in _CAPTION_NAMES if isinstance(fields.get(name), str)), None)
        sample.text = None if caption is None else caption.encode()
        sample.caption_source = "table"
        sample.json = json.dumps(fields).encode() if fields else None
    return sample


def _table(path: Path, names: list[str]) -> Records:
    """Rows of the folder's table of captions, by the file that they name.

    Raises:
        PoolError: there are two tables, or it cannot be read, or is no table of files.
    """
    if len(names) > 1:
        raise PoolError(f"{path.name} has several tables of captions, {' and '.join(names)}; leave one")
    records: Records = {}
    for name in names:
        try:
            content = (path / name).read_bytes().removeprefix(BOM)
            rows = _jsonl_rows(content, name) if name.endswith(".jsonl") else _csv_rows(content, name)
            for record in rows:
                records.setdefault(str(record.pop("file_name") or ""), []).append(record)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise PoolError(f"{name} cannot be read: {reason}") from error
    return records


def _csv_rows(content: bytes, name: str) -> Iterator[dict[str, object]]:
    delimiter = "\t" if name.endswith(".tsv") else ","
    table = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), delimiter=delimiter, restkey="more", strict=True)
    names = table.fieldnames or []
    if "file_name" not in names or not set(_CAPTION_NAMES) & set(names):
        raise PoolError(f"{name} has columns {', '.join(names)}; expected file_name, and text or caption")
    yield from (dict(row) for row in table)


def _jsonl_rows(content: bytes, name: str) -> Iterator[dict[str, object]]:
    for number, line in enumerate(content.splitlines(), 1):
        fields = json_fields(Parts(name, 0, json=line)) if line.strip() else {}
        if isinstance(fields, Refusal) or (fields and not isinstance(fields.get("file_name"), str)):
            found = fields.detail if isinstance(fields, Refusal) else "no file_name"
            raise PoolError(f"{name}, line {number}: {found}; expected an object with file_name, and text or caption")
        if fields:
            yield fields


def _split(name: str) -> tuple[str, str]:
    """Stem and lower-case extension: a sample's files share the stem."""
    stem, extension = os.path.splitext(name)
    return stem, extension[1:].lower()
