"""One streaming pass over the headers of a tar archive, in which damage is never silent.

Only the container lives here: what the members mean is webdataset.py's business. The standard library's tarfile stops
without a word at a bad header or a missing end marker, and spends several times longer on each member.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from resources.tar_header import BLOCK_BYTES, header_fields, pax_keywords

ZERO_BLOCK = bytes(BLOCK_BYTES)
# PAX and long-name headers are read whole: a path and some attributes. A hostile one must not fill memory.
EXTENSION_LIMIT_BYTES = 1 << 20
_SCAN_BYTES = 1 << 20  # multiple of BLOCK_BYTES
# Any of these marks a sparse member, in the three forms that GNU tar has written to PAX headers.
SPARSE_KEYWORDS = frozenset((b"GNU.sparse.size", b"GNU.sparse.map", b"GNU.sparse.major"))
FOREIGN_MAGICS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK": "zip"}


class Member(NamedTuple):
    """One file, directory or other entry: where its payload lies and whether it is a regular file."""

    name: str
    offset: int
    size: int
    kind: str


class Damage(NamedTuple):
    """Why and where the walk stopped before the end marker; `name` where the member is known whose payload is cut."""

    reason: str
    offset: int
    detail: str
    name: str | None = None


class TarWalk:
    """Iterates over the members of a tar, oldest V7 to PAX, and reads payloads on the way.

    Memory holds one header and what payload() returns. Names are UTF-8 with surrogateescape, without trailing slashes;
    link targets are not kept. After the loop `damage` says why it ended early, None at a proper end marker. Another
    archive after the end marker, as `cat a.tar b.tar` makes, is walked too; anything else there but zeros is damage. Files
    are read, not mapped: a file that shrinks under the walk is damage, too.

    Args:
        file: the archive, seekable, opened for binary reading.

    Source:
        POSIX.1-2024 pax interchange format (ustar, x and g headers); GNU tar manual, "Basic Tar Format" (L, K, S types
        and base-256 numbers). GNU sparse members are refused: their payload is not the file's bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.damage: Damage | None = None
        self._file = file
        self._file_bytes = file.seek(0, os.SEEK_END)
        self._payload = (0, 0)
        # Keywords that hold for all members that follow (g), and for the next one only (x, L); None where none is due.
        self._shared: dict[bytes, bytes] = {}
        self._own: dict[bytes, bytes] | None = None

    def __iter__(self) -> Iterator[Member]:
        """Yields members in the archive's order until the last end marker or the first damage."""
        offset = 0
        while self.damage is None:
            header = self._read(offset, BLOCK_BYTES)
            fields = header_fields(header)
            if isinstance(fields, str):
                is_due = self._own is not None
                if header != ZERO_BLOCK or is_due or self._read(offset + BLOCK_BYTES, BLOCK_BYTES) != ZERO_BLOCK:
                    self.damage = _header_damage(header, offset, fields)
                    return
                offset = self._next_archive(offset)
                if offset is None:
                    return
                continue
            name, size, kind = fields
            payload_offset = offset + BLOCK_BYTES
            if kind in "xXgLK":
                self._extend(kind, payload_offset, size)
            else:
                if self._own is not None or self._shared:
                    name, size, kind = self._overridden(name, size, kind, offset)
                # Links, devices and directories carry no payload, whatever their size field says.
                size = 0 if kind in "123456" else size
                member = self._member(name, payload_offset, size, kind)
                if self.damage is not None:
                    return
                yield member
            offset = payload_offset + (size + BLOCK_BYTES - 1) // BLOCK_BYTES * BLOCK_BYTES

    def payload(self) -> bytes | None:
        """Bytes of the member yielded last; None where the file has shrunk since, which is then the walk's damage."""
        offset, size = self._payload
        payload = self._read(offset, size)
        if len(payload) < size:
            self.damage = Damage("tar_truncated", offset, f"the file shrank while being read, near byte {offset}")
            return None
        return payload

    def _next_archive(self, offset: int) -> int | None:
        """Where another archive begins after the zeros of an end marker, as in `cat a.tar b.tar`; None if none does.

        Bytes there that are no header are damage: zeroed blocks in the middle of a tar look like its end.
        """
        while chunk := self._read(offset, _SCAN_BYTES):
            content = chunk.lstrip(b"\0")
            if content:
                offset += (len(chunk) - len(content)) // BLOCK_BYTES * BLOCK_BYTES
                if not isinstance(header_fields(self._read(offset, BLOCK_BYTES)), str):
                    return offset
                rest = self._file_bytes - offset
                detail = f"{rest} bytes that are no tar follow the end marker, from byte {offset} on"
                self.damage = Damage("data_after_end", offset, detail)
                return None
            offset += len(chunk)
        return None

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def _member(self, name: bytes, offset: int, size: int, kind: str) -> Member:
        """The member these fields describe; sets `damage` where its payload is not all there."""
        if kind == "S":
            header_offset = offset - BLOCK_BYTES
            detail = f"GNU sparse member at byte {header_offset}, whose payload is not the file"
            self.damage = Damage("bad_tar_header", header_offset, detail, _text(name))
        elif offset + size > self._file_bytes:
            detail = f"payload at byte {offset} needs {size} bytes, the file ends at byte {self._file_bytes}"
            self.damage = Damage("tar_truncated", offset, detail, _text(name))
        self._payload = (offset, size)
        return Member(
            _text(name.rstrip(b"/") if name.endswith(b"/") else name),
            offset,
            size,
            "directory" if kind == "5" else "regular" if kind in "0\x007" else "other",
        )

    def _extend(self, kind: str, offset: int, size: int) -> None:
        """Takes over a header that describes other headers: PAX (x, X, g) or GNU long name (L, K)."""
        if offset + size > self._file_bytes:
            detail = f"header payload at byte {offset} needs {size} bytes, the file ends at byte {self._file_bytes}"
            self.damage = Damage("tar_truncated", offset, detail)
            return
        if size > EXTENSION_LIMIT_BYTES:
            detail = f"header payload of {size} bytes at byte {offset}; at most {EXTENSION_LIMIT_BYTES} are read"
            self.damage = Damage("bad_tar_header", offset, detail)
            return
        payload = self._read(offset, size)
        keywords = pax_keywords(payload) if kind in "xXg" else {b"path": payload.split(b"\0", 1)[0]}
        if len(payload) < size:
            self.damage = Damage("tar_truncated", offset, f"the file shrank while being read, near byte {offset}")
        elif keywords is None:
            self.damage = Damage("bad_tar_header", offset, f"PAX header at byte {offset} holds a malformed record")
        elif kind != "K":
            # The rest is dropped, so that a tar of nothing but such headers cannot fill memory.
            kept = {keyword: keywords[keyword] for keyword in keywords.keys() & (SPARSE_KEYWORDS | {b"path", b"size"})}
            if kind == "g":
                self._shared |= kept
            else:
                # The header that came first encloses the others, so it has the last word.
                self._own = kept | (self._own or {})

    def _overridden(self, name: bytes, size: int, kind: str, offset: int) -> tuple[bytes, int, str]:
        """Name, size and kind after PAX and long-name headers; an empty value means the header's own."""
        keywords = self._shared | (self._own or {})
        self._own = None
        digits = keywords.get(b"size")
        if digits:
            if not digits.isdigit() or len(digits) > 20:
                self.damage = Damage("bad_tar_header", offset, f"PAX size {digits[:20]!r} for the member at byte {offset}")
                return name, 0, kind
            size = int(digits)
        if not SPARSE_KEYWORDS.isdisjoint(keywords):
            kind = "S"
        return keywords.get(b"path") or name, size, kind


def _header_damage(header: bytes, offset: int, fault: str) -> Damage:
    """What it means that no header, or no complete end marker, stands at this offset."""
    if len(header) < BLOCK_BYTES:
        found = f"{len(header)} bytes of a header" if header else "no end marker"
        return Damage("tar_truncated", offset, f"the file ends at byte {offset + len(header)} with {found}")
    if header == ZERO_BLOCK:
        return Damage("tar_truncated", offset, f"end marker at byte {offset} is not two zero blocks after a member")
    formats = [name for magic, name in FOREIGN_MAGICS.items() if offset == 0 and header.startswith(magic)]
    hint = f"; this is a {formats[0]} file, unpack it first" if formats else ""
    return Damage("bad_tar_header", offset, f"{fault} at byte {offset}{hint}")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
