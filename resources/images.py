"""What an image's header says, or why its bytes are refused, without decoding pixels in the common case.

Only inspection lives here; pixels for a model are made elsewhere. image_headers.py reads the bytes of the formats that
fill a pool; Pillow answers for the rest, and for everything that looks odd.
"""

import io
import re
import warnings
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from curation_assets.errors import ArgumentError
from resources.image_headers import Header, read_header

# Pillow's plugins that read pixels themselves. EPS, PDF, WMF and the like start other programs or are no photographs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
VERIFICATIONS = ("structure", "decode")
DETAIL_LIMIT_CHARS = 200


class ImageFacts(NamedTuple):
    """Pillow's name of the format and the size in pixels that the header gives, before any EXIF rotation.

    The format is None where only the source states a size.
    """

    format: str | None
    width: int
    height: int


class Refusal(NamedTuple):
    """Why it is refused and what was found; for an image zero_bytes, not_an_image, image_bomb or truncated_image."""

    reason: str
    detail: str


def inspect_image(payload: bytes, *, max_pixels: int, verify: str = "structure") -> ImageFacts | Refusal:
    """Format, width and height of an image, or the reason why it is refused.

    Costs microseconds for a whole JPEG, PNG or WebP: their headers and their lengths are read. Pixels are decoded
    only where these look odd (cut, unusual, a rare format), and then Pillow decides: what it decodes is accepted.
    Structure finds files that are cut, not bits that flipped inside the pixels.

    Args:
        payload: the image file.
        max_pixels: width x height beyond which nothing is decoded.
        verify: `structure`, or `decode` to decode every image to its last pixel.

    Returns:
        Facts, or a fault. truncated_image means that decoding ended or broke before the last pixel. Never raises for
        what is in `payload`.

    Raises:
        ArgumentError: `verify` is neither of the two.

    Source:
        T.81 annex B (JPEG), RFC 2083 (PNG), RFC 9649 (WebP), GIF89a specification; the rest is Pillow's opinion.

    Example:
        >>> inspect_image(b"<!DOCTYPE html>", max_pixels=10**8)
        Refusal(reason='not_an_image', detail='no image that can be opened begins with the bytes 3c21444f43545950')
    """
    if verify not in VERIFICATIONS:
        raise ArgumentError(f"image verification {verify!r} is unknown; known: {list(VERIFICATIONS)}")
    if not payload:
        return Refusal("zero_bytes", "the image file is empty")
    header = read_header(payload)
    is_trusted = header.is_complete and verify == "structure"
    if header.width and header.height:
        if header.width * header.height > max_pixels:
            return _bomb(header.width, header.height, max_pixels)
        if is_trusted:
            return ImageFacts(header.format, header.width, header.height)
    with warnings.catch_warnings():
        # Corrupt EXIF and sizes between Pillow's soft limit and ours are no reason to refuse.
        warnings.simplefilter("ignore")
        return _ask_pillow(payload, header, max_pixels, is_trusted)


def _ask_pillow(payload: bytes, header: Header, max_pixels: int, is_trusted: bool) -> ImageFacts | Refusal:
    """Lets Pillow open the image and, unless its structure is trusted, decode the first frame."""
    try:
        image = Image.open(io.BytesIO(payload), formats=FORMATS)
    except (Image.DecompressionBombError, MemoryError) as error:
        return Refusal("image_bomb", _printable(error))
    except UnidentifiedImageError:
        if header.is_cut:
            return _cut(header)
        return Refusal("not_an_image", f"no image that can be opened begins with the bytes {payload[:8].hex()}")
    except Exception as error:
        # Plugins raise nearly anything on bad bytes; whatever it is, the image is bad and the shard goes on.
        return _cut(header) if header.is_cut else Refusal("not_an_image", _printable(error))
    with image:
        if image.width * image.height > max_pixels:
            return _bomb(image.width, image.height, max_pixels)
        try:
            if not is_trusted:
                image.load()
        except (Image.DecompressionBombError, MemoryError) as error:
            return Refusal("image_bomb", _printable(error))
        except Exception as error:
            return Refusal("truncated_image", _printable(error))
        # A JPEG with several pictures inside is a JPEG whose first picture counts.
        return ImageFacts("JPEG" if image.format == "MPO" else str(image.format), image.width, image.height)


def _cut(header: Header) -> Refusal:
    return Refusal("truncated_image", f"the {header.format} file ends before a length that it declares")


def _bomb(width: int, height: int, max_pixels: int) -> Refusal:
    return Refusal("image_bomb", f"the header says {width} x {height} px, at most {max_pixels} pixels are decoded")


def _printable(error: BaseException) -> str:
    """The error in printable characters, without memory addresses, which change from run to run."""
    text = re.sub(r"<[^<>]* at 0x[0-9a-fA-F]+>", "the image", f"{type(error).__name__}: {error}")
    return "".join(character if character.isprintable() else "?" for character in text)[:DETAIL_LIMIT_CHARS]
