"""Reads one WebDataset or img2dataset tar shard into columns of facts, in one pass and without writing anything.

Which member belongs to which sample is decided here; sample_facts.py holds the rules inside one sample, tar.py the
container, images.py the image header. Image bytes are hashed, inspected and dropped at once.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

from curation_assets.errors import PoolError
from resources.images import Refusal, inspect_image
from resources.sample_facts import Parts, RejectedRow, encodable
from resources.shard_contents import ShardContents, shard_contents
from resources.tar import Damage, Member, TarWalk

IMAGE_EXTENSIONS = frozenset(("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "ppm"))
# A caption or its json is kilobytes; more is a mistake or an attack. An image of this size is beyond any decoder here.
SMALL_MEMBER_LIMIT_BYTES = 16 << 20
IMAGE_LIMIT_BYTES = 1 << 30
BUFFER_BYTES = 1 << 20


def read_shard(path: Path, *, max_image_pixels: int, verify: str = "structure") -> ShardContents:
    """Facts of every sample of a tar shard; nothing that is in the tar makes it raise.

    Members may come in any order over the whole tar. Key and extension part at the first dot of the basename; a member
    whose extension its sample already has begins another sample with the same key. Directories and the hidden files of
    macOS are no samples; every other member is, so a stray README is a rejected row. Memory holds one image, and the
    facts and small members of the whole shard.

    Args:
        path: the tar; not compressed.
        max_image_pixels: width x height by header beyond which an image is refused (image_bomb).
        verify: `structure` reads image headers and lengths, `decode` decodes every image to its last pixel.

    Returns:
        Columns in order of first appearance. Where the tar is damaged, everything before the damage counts, except a
        last sample that lacks its image, caption or json: its identity is unknown, so it belongs to the damaged tail.

    Raises:
        PoolError: the file cannot be opened or read.
        ArgumentError: `verify` is unknown.

    Source:
        WebDataset's rule of keys: webdataset/tariterators.py, base_plus_ext. There a sample is a run of neighbours and
        a repeated extension is an error; here neither order nor repetition loses a sample.
    """
    try:
        with path.open("rb", buffering=BUFFER_BYTES) as file:
            samples, last, damage = _collect(file, max_image_pixels, verify)
    except OSError as error:
        raise PoolError(
            f"shard {path} cannot be read: {error.strerror or error}; check that the path is a tar file that this "
            "user may read, or remove the shard from the pool"
        ) from error
    tail = None
    if damage is not None:
        swallowed, key = _swallowed(damage, last, samples)
        samples = [parts for parts in samples if parts is not swallowed]
        named = f"; sample {key!r} was being read" if key else ""
        tail = RejectedRow(len(samples), encodable(key), damage.reason, f"{damage.detail}{named}"[:400], damage.offset)
    contents = shard_contents(samples, tail)
    contents.check_accounts()
    return contents


def split_member_name(name: str) -> tuple[str, str] | None:
    """Sample key and lower-case extension of a member; None for the hidden files of macOS.

    Example:
        >>> split_member_name("./a/b.c/0001.SEG.png"), split_member_name("a/._0001.jpg")
        (('a/b.c/0001', 'seg.png'), None)
    """
    while name.startswith("./"):
        name = name[2:]
    start = name.rfind("/") + 1
    if name.startswith("._", start) or name[start:] == ".DS_Store" or "/__MACOSX/" in f"/{name}":
        return None
    # A leading dot begins a hidden file's name, not an extension.
    dot = name.find(".", start + 1)
    return (name, "") if dot < 0 else (name[:dot], name[dot + 1 :].lower())


def _collect(file: BinaryIO, max_image_pixels: int, verify: str) -> tuple[list[Parts], Parts | None, Damage | None]:
    """All samples in order of first appearance, the one whose member was read last, and the damage if any."""
    samples: list[Parts] = []
    newest: dict[str, Parts] = {}
    last = None
    walk = TarWalk(file)
    for member in walk:
        split = None if member.kind == "directory" else split_member_name(member.name)
        if split is None:
            continue
        key, extension = split
        parts = newest.get(key)
        if parts is None or extension in parts.extensions:
            parts = newest[key] = Parts(key, member.offset)
            samples.append(parts)
        last = parts
        if member.kind == "other":
            parts.link = member.name
        elif extension in IMAGE_EXTENSIONS:
            _take_image(walk, member, parts, max_image_pixels, verify)
        elif extension in ("txt", "json"):
            _take_text(walk, member, parts, extension)
        parts.extensions.add(extension)
    return samples, last, walk.damage


def _take_image(walk: TarWalk, member: Member, parts: Parts, max_pixels: int, verify: str) -> None:
    """Hashes and inspects the image; the first image of a sample is its image."""
    if parts.image is not None:
        parts.remarks.append("second_image_ignored")
        return
    parts.image_offset = member.offset
    parts.image_bytes = member.size
    if member.size > IMAGE_LIMIT_BYTES:
        parts.image = Refusal("image_bomb", f"image file of {member.size} bytes, at most {IMAGE_LIMIT_BYTES} are read")
        return
    payload = walk.payload()
    if payload is not None:
        parts.image_digest = hashlib.sha256(payload)
        parts.image = inspect_image(payload, max_pixels=max_pixels, verify=verify)


def _take_text(walk: TarWalk, member: Member, parts: Parts, extension: str) -> None:
    """Keeps the bytes of a txt or json member, which are judged when the sample is whole."""
    if member.size > SMALL_MEMBER_LIMIT_BYTES:
        parts.too_large[extension] = member.size
    elif extension == "txt":
        parts.text = walk.payload()
    else:
        parts.json = walk.payload()


def _swallowed(damage: Damage, last: Parts | None, samples: list[Parts]) -> tuple[Parts | None, str]:
    """The sample that the damage leaves without identity, if any, and the key to name in the tail's row."""
    candidate = last
    split = split_member_name(damage.name) if damage.name else None
    if split is not None:
        key, extension = split
        candidate = next((parts for parts in reversed(samples) if parts.key == key), None)
        if candidate is None or extension in candidate.extensions:
            return None, key
    needed = {"txt", "json"}
    if damage.reason == "data_after_end":  # a whole shard without any json never had one, so its last sample lacks none
        needed &= set().union(*(parts.extensions for parts in samples))
    if candidate is None or (candidate.image is not None and needed <= candidate.extensions):
        return None, ""
    return candidate, candidate.key
