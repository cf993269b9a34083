"""Header inspection against Pillow's own opinion after decoding every pixel."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curation_assets.errors import ArgumentError
from resources.image_headers import read_header
from resources.images import ImageFacts, Refusal, inspect_image

MAX_PIXELS = 1_000_000


def picture(mode: str = "RGB", width: int = 37, height: int = 23) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    return Image.fromarray(noise, "RGBA").convert(mode)


def encoded(format: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture(mode).save(buffer, format, **options)
    return buffer.getvalue()


ENCODED = {
    "jpeg": encoded("JPEG"),
    "jpeg progressive": encoded("JPEG", progressive=True),
    "jpeg grey": encoded("JPEG", "L"),
    "jpeg cmyk": encoded("JPEG", "CMYK"),
    "jpeg with exif and comment": encoded("JPEG", exif=b"Exif\0\0" + bytes(300), comment=b"\xff\xd9 no end"),
    "jpeg padded": encoded("JPEG") + bytes(100) + b"\xff\n",
    "jpeg with several pictures": encoded("MPO", save_all=True, append_images=[picture()]),
    "png": encoded("PNG"),
    "png alpha": encoded("PNG", "RGBA"),
    "png palette": encoded("PNG", "P"),
    "png bits": encoded("PNG", "1"),
    "png 16 bit": encoded("PNG", "I;16"),
    "apng": encoded("PNG", save_all=True, append_images=[picture("L").convert("RGB")]),
    "webp lossy": encoded("WEBP"),
    "webp lossless": encoded("WEBP", lossless=True),
    "webp alpha": encoded("WEBP", "RGBA"),
    "webp animated": encoded("WEBP", save_all=True, append_images=[picture("L").convert("RGB")]),
    "gif": encoded("GIF"),
    "gif animated": encoded("GIF", save_all=True, append_images=[picture("L").convert("RGB")]),
    "bmp": encoded("BMP"),
    "tiff": encoded("TIFF"),
    "tiff lzw": encoded("TIFF", compression="tiff_lzw"),
    "avif": encoded("AVIF"),
    "ppm": encoded("PPM"),
}


def decoded_by_pillow(payload: bytes) -> ImageFacts | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(payload)) as image:
                image.load()
                return ImageFacts("JPEG" if image.format == "MPO" else image.format, *image.size)
        except Exception:
            return None


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.parametrize("verify", ["structure", "decode"])
def test_facts_are_those_of_pillow(name: str, verify: str) -> None:
    facts = inspect_image(ENCODED[name], max_pixels=MAX_PIXELS, verify=verify)
    assert facts == decoded_by_pillow(ENCODED[name])
    assert facts[1:] == (37, 23)


@pytest.mark.parametrize("name", [name for name in ENCODED if name.startswith(("jpeg", "png", "apng", "webp"))])
def test_common_formats_are_not_decoded(name: str) -> None:
    # 37 x 23 and complete: then inspect_image has no reason to ask Pillow.
    header = read_header(ENCODED[name])
    assert (header.width, header.height, header.is_complete, header.is_cut) == (37, 23, True, False)


@pytest.mark.parametrize("name", ["gif", "gif animated"])
def test_whole_gifs_are_opened_but_not_decoded(name: str) -> None:
    assert read_header(ENCODED[name]).is_complete


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(ENCODED)), st.floats(0, 1, exclude_max=True))
def test_a_cut_image_is_kept_exactly_if_pillow_still_decodes_it(name: str, share: float) -> None:
    payload = ENCODED[name][: int(len(ENCODED[name]) * share)]
    found = inspect_image(payload, max_pixels=MAX_PIXELS)
    expected = decoded_by_pillow(payload)
    if expected is None:
        assert isinstance(found, Refusal)
        assert found.reason in ("zero_bytes", "not_an_image", "truncated_image")
        # A PPM declares no length, and a TIFF's tag values are not followed.
        if len(payload) >= 40 and not name.startswith(("ppm", "tiff")):
            assert found.reason == "truncated_image"
    else:
        assert found == expected


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(ENCODED)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    st.sampled_from(["structure", "decode"]),
)
def test_flipped_bytes_never_raise(name: str, flips: list[tuple[float, int]], verify: str) -> None:
    payload = bytearray(ENCODED[name])
    for share, value in flips:
        payload[int(len(payload) * share)] = value
    found = inspect_image(bytes(payload), max_pixels=MAX_PIXELS, verify=verify)
    if isinstance(found, Refusal):
        assert found.reason in ("not_an_image", "truncated_image", "image_bomb")
        assert found.detail.isprintable()
        assert 0 < len(found.detail) <= 200
    else:
        assert 0 < found.width * found.height <= MAX_PIXELS


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBP", b"GIF89a", b"BM", b"II*\0", b"P6", b"....ftyp"]
    ),
    st.binary(max_size=300),
)
def test_random_bytes_after_a_magic_never_raise(magic: bytes, rest: bytes) -> None:
    found = inspect_image(magic + rest, max_pixels=MAX_PIXELS)
    expected = decoded_by_pillow(magic + rest)
    assert (found == expected) if expected else isinstance(found, Refusal)


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_with(header: bytes, *chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


@pytest.mark.parametrize("verify", ["structure", "decode"])
def test_a_header_that_claims_too_many_pixels_is_a_bomb(verify: str) -> None:
    bomb = png_with(struct.pack(">IIBBBBB", 30_000, 30_001, 8, 2, 0, 0, 0), chunk(b"IDAT", zlib.compress(b"")))
    assert inspect_image(bomb, max_pixels=30_000 * 30_000, verify=verify) == Refusal(
        "image_bomb", "the header says 30000 x 30001 px, at most 900000000 pixels are decoded"
    )


@pytest.mark.parametrize("name", ["jpeg", "png", "webp lossy", "webp lossless", "webp alpha", "gif", "bmp", "tiff", "ppm"])
def test_the_pixel_limit_is_inclusive_in_every_format(name: str) -> None:
    assert inspect_image(ENCODED[name], max_pixels=37 * 23) == decoded_by_pillow(ENCODED[name])
    refusal = inspect_image(ENCODED[name], max_pixels=37 * 23 - 1)
    assert refusal == Refusal("image_bomb", "the header says 37 x 23 px, at most 850 pixels are decoded")


def test_a_size_between_pillows_two_limits_is_decided_by_ours_alone() -> None:
    # 100 million pixels: Pillow would warn here, and warnings are errors in this suite.
    ppm = b"P5 10000 10000 255\n" + bytes(10)
    assert inspect_image(ppm, max_pixels=99_999_999).reason == "image_bomb"
    assert inspect_image(ppm, max_pixels=100_000_000).reason == "truncated_image"


def test_pillows_own_bomb_limit_is_a_bomb_too() -> None:
    ppm = b"P5 20000 20000 255\n" + bytes(10)
    assert inspect_image(ppm, max_pixels=10**10).reason == "image_bomb"


def test_a_gif_frame_larger_than_its_screen_counts() -> None:
    gif = bytearray(ENCODED["gif"])
    gif[6:10] = struct.pack("<HH", 1, 1)
    assert inspect_image(bytes(gif), max_pixels=850).reason == "image_bomb"


def test_png_text_is_not_inflated_unless_decoding_is_asked_for() -> None:
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5 << 20)))
    pixels = chunk(b"IDAT", zlib.compress(b"\0\1\2\3"))
    payload = png_with(struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0), text, pixels)
    assert inspect_image(payload, max_pixels=MAX_PIXELS) == ImageFacts("PNG", 1, 1)
    refusal = inspect_image(payload, max_pixels=MAX_PIXELS, verify="decode")
    assert refusal.reason in ("not_an_image", "truncated_image")
    assert "too large" in refusal.detail


def test_only_decoding_sees_damage_inside_the_pixels() -> None:
    payload = bytearray(ENCODED["png"])
    middle = payload.index(b"IDAT") + 200
    payload[middle] ^= 0xFF
    assert isinstance(inspect_image(bytes(payload), max_pixels=MAX_PIXELS), ImageFacts)
    assert inspect_image(bytes(payload), max_pixels=MAX_PIXELS, verify="decode").reason == "truncated_image"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "zero_bytes"),
        (b"\0", "not_an_image"),
        (b"<!DOCTYPE html><html></html>", "not_an_image"),
        (b'{"error": 404}', "not_an_image"),
        (b"%PDF-1.4\n%\xe2\xe3", "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "not_an_image"),
        (b"\0\0\0\x20ftypisom" + bytes(10), "not_an_image"),
        (b"\0\0\0\x20ftypavif" + bytes(10), "truncated_image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "truncated_image"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "truncated_image"),
    ],
)
def test_refusals_use_the_fixed_vocabulary(payload: bytes, reason: str) -> None:
    assert inspect_image(payload, max_pixels=MAX_PIXELS).reason == reason


def test_a_jpeg_that_lacks_only_its_end_marker_is_accepted_because_pillow_decodes_it() -> None:
    payload = ENCODED["jpeg"][:-2] + bytes(500)
    assert not read_header(payload).is_complete
    assert inspect_image(payload, max_pixels=MAX_PIXELS) == ImageFacts("JPEG", 37, 23)


def test_details_hold_no_memory_address() -> None:
    assert inspect_image(b"\x01\x02\x03", max_pixels=1) == Refusal(
        "not_an_image", "no image that can be opened begins with the bytes 010203"
    )


def test_an_unknown_verification_lists_the_known_ones() -> None:
    with pytest.raises(ArgumentError, match=r"'strict' is unknown; known: \['structure', 'decode'\]"):
        inspect_image(ENCODED["png"], max_pixels=1, verify="strict")
