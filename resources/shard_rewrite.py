"""Removes samples from a WebDataset tar: the rest stays byte for byte, in its order, under the same name.

Which members are one sample is decided as in webdataset.py. Later members move towards the front, so that a shard which was
rewritten has to be ingested again.
"""

import hashlib
import os
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from curation_assets.errors import ArgumentError, PoolError
from resources.tar import Member, TarWalk
from resources.tar_header import BLOCK_BYTES, header_fields
from resources.webdataset import BUFFER_BYTES, split_member_name


@dataclass(frozen=True)
class RewrittenShard:
    """What was removed from a tar.

    Args:
        path: the file that was replaced; where a link was given, what it points to.
        samples: how many samples were removed.
        members: how many files of the tar were removed.
        bytes_before: size of the file.
        bytes_after: the same after it.
        other_names: hard links to the old file elsewhere, which still hold everything.
    """

    path: Path
    samples: int
    members: int
    bytes_before: int
    bytes_after: int
    other_names: int


class _Placed(NamedTuple):
    """A member, the sample it belongs to, and the byte after the one before it: headers of its own may lie between."""

    member: Member
    sample: int | None
    start: int

    @property
    def header(self) -> int:
        return self.member.offset - BLOCK_BYTES

    @property
    def stop(self) -> int:
        return self.member.offset + -(-self.member.size // BLOCK_BYTES) * BLOCK_BYTES


def remove_members(path: Path, offsets: Collection[int], *, sha256: Mapping[int, bytes] | None = None) -> RewrittenShard:
    """Removes whole samples, each named by one of its members, usually its image.

    A sample's other members go with it, also those that macOS hides next to them, with their PAX and long-name headers;
    global PAX headers stay. The new file is on the disk before it takes the old one's place and its mode. What follows a
    damage stays as it is.

    Args:
        path: the tar, not compressed.
        offsets: where payloads begin, in bytes (`offset_bytes` of raw_pool). None rewrites nothing.
        sha256: what payloads must have, by offset; a rewrite moves members, so that old offsets may mean others.

    Raises:
        ArgumentError: an offset is not where a member's payload begins, or the payload is not the one expected.
        PoolError: the file cannot be read or written, is changing, or is cut inside a sample that is to be removed.
    """
    real = path.resolve()
    try:
        with real.open("rb", buffering=BUFFER_BYTES) as file:
            before = os.fstat(file.fileno())
            kept, samples, removed = _plan(file, real, frozenset(offsets), sha256 or {})
            if removed:
                after = _replace(file, real, kept, before)
    except OSError as error:
        raise PoolError(
            f"samples cannot be removed from shard {path}: {error.strerror or error}; nothing was changed. Check that this "
            "user may write in its folder and that the disk has room for a second copy of it"
        ) from error
    if not removed:
        return RewrittenShard(real, 0, 0, before.st_size, before.st_size, 0)
    return RewrittenShard(real, samples, removed, before.st_size, after, before.st_nlink - 1)


def _plan(
    file: BinaryIO, path: Path, offsets: frozenset[int], sha256: Mapping[int, bytes]
) -> tuple[list[tuple[int, int]], int, int]:
    """Byte ranges that stay, and how many samples and members go."""
    walk = TarWalk(file)
    placed = _placed(walk)
    by_offset = {p.member.offset: p for p in placed if p.member.kind == "regular"}
    unknown = sorted(offsets - by_offset.keys())
    unknown += sorted(o for o in offsets & by_offset.keys() if by_offset[o].sample is None)
    if unknown:
        raise ArgumentError(
            f"no member of a sample begins at byte {unknown[0]} of {path} ({len(unknown)} of {len(offsets)} offsets are "
            "unknown); nothing was changed. Was it rewritten since it was ingested? Then run `curate apply` first"
        )
    _check_payloads(file, path, [by_offset[o].member for o in sorted(offsets & sha256.keys())], sha256)
    samples = {by_offset[o].sample for o in offsets}
    names = {_key(p.member.name) for p in placed if p.sample in samples}
    if walk.damage is not None and walk.damage.name and _key(walk.damage.name) in names:
        raise PoolError(
            f"{path} is damaged inside a sample that is to be removed ({walk.damage.reason}: {walk.damage.detail}); nothing "
            "was changed. Replace the shard by an undamaged one, or remove it from the pool"
        )
    gone = [p for p in placed if p.sample in samples or (p.sample is None and _hidden_twin(p.member) in names)]
    return _ranges(file, gone), len(samples), len(gone) if samples else 0


def _placed(walk: TarWalk) -> list[_Placed]:
    """All members with the sample of each, numbered by first appearance; directories and hidden files have none."""
    placed: list[_Placed] = []
    newest: dict[str, tuple[int, set[str]]] = {}
    samples = end = 0
    for member in walk:
        split = None if member.kind == "directory" else split_member_name(member.name)
        sample = None
        if split is not None:
            key, extension = split
            if key not in newest or extension in newest[key][1]:
                newest[key] = (samples, set())
                samples += 1
            sample = newest[key][0]
            newest[key][1].add(extension)
        placed.append(_Placed(member, sample, end))
        end = placed[-1].stop
    return placed


def _key(name: str) -> str:
    split = split_member_name(name)
    return split[0] if split else ""


def _hidden_twin(member: Member) -> str | None:
    """Key of the sample to whose member macOS made this hidden file."""
    folder, _, base = member.name.rpartition("/")
    if member.kind == "directory" or not base.startswith("._"):
        return None
    parts = [part for part in folder.split("/") if part not in ("", ".", "__MACOSX")]
    return _key("/".join([*parts, base[2:]]))


def _check_payloads(file: BinaryIO, path: Path, members: list[Member], sha256: Mapping[int, bytes]) -> None:
    for member in members:
        file.seek(member.offset)
        if hashlib.sha256(file.read(member.size)).digest() != sha256[member.offset]:
            raise ArgumentError(
                f"the member at byte {member.offset} of {path} is not the one that was ingested from there; nothing was "
                "changed. Run `curate apply`, which reads the shard again, and then repeat this"
            )


def _ranges(file: BinaryIO, gone: list[_Placed]) -> list[tuple[int, int]]:
    """Byte ranges that stay, in order, up to the end of the file."""
    kept = []
    start = 0
    for placed in gone:
        kept.append((start, placed.start))
        kept += _shared_headers(file, placed)
        start = placed.stop
    return [(a, b) for a, b in [*kept, (start, file.seek(0, os.SEEK_END))] if a < b]


def _shared_headers(file: BinaryIO, placed: _Placed) -> list[tuple[int, int]]:
    """What lies before a member's header and is not its own: global headers, and the end of an archive before it."""
    kept = []
    offset = placed.start
    while offset < placed.header:
        file.seek(offset)
        fields = header_fields(file.read(BLOCK_BYTES))
        size = 0 if isinstance(fields, str) else fields[1]
        stop = offset + BLOCK_BYTES + -(-size // BLOCK_BYTES) * BLOCK_BYTES
        if isinstance(fields, str) or fields[2] == "g":
            kept.append((offset, stop))
        offset = stop
    return kept


def _replace(file: BinaryIO, path: Path, kept: list[tuple[int, int]], before: os.stat_result) -> int:
    """Writes the ranges to a new file and puts it in the place of the old one; returns its size."""
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as target:
            for start, stop in kept:
                _copy(file, target, start, stop)
            target.flush()
            os.fchmod(target.fileno(), before.st_mode & 0o7777)
            os.fsync(target.fileno())
            size = target.tell()
        now = path.stat()
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
            raise PoolError(f"shard {path} was changed while it was rewritten; nothing was replaced. Wait for what writes it")
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size


def _copy(file: BinaryIO, target: BinaryIO, start: int, stop: int) -> None:
    file.seek(start)
    while start < stop:
        block = file.read(min(BUFFER_BYTES, stop - start))
        if not block:
            raise OSError("the file shrank while it was read")
        target.write(block)
        start += len(block)
