"""Image headers read from bytes: format, size in pixels, and whether the file reaches its own end.

Pure functions of bytes that never decode, never raise and never trust a length. Doubt is not resolved here: a header
that is valid but unusual is reported without a size or as incomplete, and Pillow decides.
"""

import struct
import zlib
from typing import Literal, NamedTuple

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# Colour type -> bit depths that PNG allows (RFC 2083, 4.1.1).
PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# An mp4 or HEIC begins like an AVIF; only the brand tells them apart, and mif1, msf1 may be either.
AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")
# Bytes that downloads and cameras append after a JPEG's end marker.
JPEG_PADDING = b"\x00\xff\t\n\r "


class Header(NamedTuple):
    """What the bytes say. No size means ask Pillow; `is_cut` means that the file ends before a declared length."""

    format: str = ""
    width: int = 0
    height: int = 0
    is_complete: bool = False
    is_cut: bool = False


def read_header(payload: bytes) -> Header:
    """Header of the format whose magic bytes the payload begins with; an empty one where there is none.

    Args:
        payload: the whole file.

    Example:
        >>> read_header(b"GIF89a").is_cut
        True
    """
    if payload.startswith(b"\xff\xd8\xff"):
        return _jpeg(payload)
    if payload.startswith(PNG_MAGIC):
        return _png(payload)
    if payload.startswith(b"RIFF") and payload[8:12] in (b"WEBP", b""):
        return _webp(payload)
    if payload.startswith(b"GIF8"):
        # The first frame may be larger than the screen that the header declares, so the size is Pillow's to tell.
        is_cut = _is_gif_cut(payload)
        return Header("GIF", is_complete=not is_cut, is_cut=is_cut)
    if payload[4:8] == b"ftyp" and payload[8:12] in AVIF_BRANDS:
        return Header("AVIF", is_cut=_is_bmff_cut(payload))
    if payload.startswith(b"BM"):
        return Header("BMP", is_cut=len(payload) < 26 or int.from_bytes(payload[2:6], "little") > len(payload))
    if payload.startswith((b"II*\0", b"MM\0*")):
        return Header("TIFF", is_cut=_is_tiff_cut(payload, "little" if payload.startswith(b"II") else "big"))
    return Header()


def _jpeg(payload: bytes) -> Header:
    """Walks the segments up to the first scan, then looks for the end marker at the file's end."""
    width = height = 0
    is_usual = False
    position = 2
    end = len(payload)
    while position + 4 <= end:
        if payload[position] != 0xFF:
            return Header("JPEG", width, height)
        marker = payload[position + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD7:
            # A fill byte, or a marker without a segment.
            position += 1 if marker == 0xFF else 2
            continue
        segment_end = position + 2 + (payload[position + 2] << 8 | payload[position + 3])
        if segment_end > end:
            break
        if marker == 0xDA:
            is_whole = payload.endswith(b"\xff\xd9") or payload.rstrip(JPEG_PADDING).endswith(b"\xff\xd9")
            return Header("JPEG", width, height, is_usual and is_whole, not is_whole)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and segment_end >= position + 10:
            precision, height, width, components = struct.unpack_from(">BHHB", payload, position + 4)
            # Baseline, extended or progressive, 8 bits: what every libjpeg decodes. A second frame is not usual.
            is_usual = marker <= 0xC2 and precision == 8 and components in (1, 3, 4) and not is_usual
        position = segment_end
    return Header("JPEG", width, height, is_cut=True)


def _png(payload: bytes) -> Header:
    """Checks the first chunk, then walks the lengths of all chunks to IEND; text chunks are never inflated."""
    if len(payload) < 33:
        return Header("PNG", is_cut=True)
    width, height, depth, colour, compression, filtering, interlace = struct.unpack_from(">IIBBBBB", payload, 16)
    if payload[8:16] != b"\0\0\0\rIHDR" or zlib.crc32(payload[12:29]) != int.from_bytes(payload[29:33], "big"):
        return Header("PNG")
    is_usual = depth in PNG_DEPTHS.get(colour, ()) and (compression, filtering) == (0, 0) and interlace <= 1
    has_pixels = False
    position = 33
    while position + 12 <= len(payload):
        length, kind = struct.unpack_from(">I4s", payload, position)
        position += 12 + length
        has_pixels |= kind == b"IDAT"
        if kind == b"IEND" and position <= len(payload):
            return Header("PNG", width, height, is_usual and has_pixels)
    return Header("PNG", width, height, is_cut=True)


def _webp(payload: bytes) -> Header:
    """Reads the canvas of the extended, lossless or lossy form; complete where the RIFF length is all there."""
    is_whole = int.from_bytes(payload[4:8], "little") + 8 <= len(payload)
    if len(payload) < 30:
        return Header("WEBP", is_cut=True)
    kind = payload[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(payload[24:27], "little") + 1
        height = int.from_bytes(payload[27:30], "little") + 1
    elif kind == b"VP8L" and payload[20] == 0x2F:
        bits = int.from_bytes(payload[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and payload[23:26] == b"\x9d\x01\x2a":
        width = int.from_bytes(payload[26:28], "little") & 0x3FFF
        height = int.from_bytes(payload[28:30], "little") & 0x3FFF
    else:
        return Header("WEBP", is_cut=not is_whole)
    return Header("WEBP", width, height, is_whole, not is_whole)


def _is_gif_cut(payload: bytes) -> bool:
    """Walks extensions and frames by their lengths; a GIF that reaches its trailer is not cut."""
    end = len(payload)
    if end < 13:
        return True
    position = 13 + (3 << (payload[10] & 7) + 1 if payload[10] & 0x80 else 0)
    while position < end:
        if payload[position] == 0x3B:
            return False
        if payload[position] == 0x21:
            position += 2
        elif payload[position] == 0x2C and position + 10 <= end:
            flags = payload[position + 9]
            position += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        else:
            return payload[position] == 0x2C
        while position < end and payload[position]:
            position += payload[position] + 1
        position += 1
    return True


def _is_tiff_cut(payload: bytes, order: Literal["little", "big"]) -> bool:
    """Whether the first directory, which writers often put last, is all there."""
    directory = int.from_bytes(payload[4:8], order)
    entries = int.from_bytes(payload[directory : directory + 2], order)
    return directory + 2 + 12 * entries + 4 > len(payload)


def _is_bmff_cut(payload: bytes) -> bool:
    """Walks the boxes of an AVIF; length 0 means to the end of the file, 1 that 64 bits follow."""
    position = 0
    while position + 8 <= len(payload):
        length = int.from_bytes(payload[position : position + 4], "big")
        if length == 1:
            length = int.from_bytes(payload[position + 8 : position + 16], "big")
        if length < 8:
            return False
        position += length
    return position != len(payload)
