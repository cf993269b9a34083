"""Decoded squares against open_clip's own transform, and faults as rows."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from resources.decode import Framing, ImageBytes, decode_rgb, decode_rows
from resources.openclip import import_open_clip

MODES = {"RGB": "PNG", "RGBA": "PNG", "P": "PNG", "L": "PNG", "LA": "PNG", "1": "PNG", "I;16": "PNG", "CMYK": "JPEG"}


def noise(width, height, mode="RGB", seed=0):
    """Smooth and sharp at once: a resize of it shows every difference of filter, order or rounding."""
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 2**16, (height, width), dtype=np.uint16))
    colours = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if mode in ("RGBA", "LA"):
        picture = colours.convert(mode)
        picture.putalpha(Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8)))
        return picture
    return colours.convert(mode)


def payload(picture, image_format, **options):
    buffer = io.BytesIO()
    picture.save(buffer, image_format, **options)
    return buffer.getvalue()


def open_clip_pixels(data, framing):
    """The oracle: open_clip's transform up to ToTensor, scaled back to bytes."""
    steps = (
        import_open_clip()
        .transform.image_transform(
            framing.size_px, is_train=False, resize_mode=framing.resize_mode, interpolation=framing.interpolation
        )
        .transforms
    )
    assert type(steps[-1]).__name__ == "Normalize"
    picture = Image.open(io.BytesIO(data))
    for step in steps[:-1]:
        picture = step(picture)
    return (picture * 255).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(64, 64), (97, 40), (31, 75), (32, 32), (20, 9)])
def test_square_equals_open_clip_to_the_byte(mode, size):
    data = payload(noise(*size, mode), MODES[mode])

    pixels = decode_rgb(data, Framing(32))

    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, open_clip_pixels(data, Framing(32)))


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    side=st.integers(1, 48),
    mode=st.sampled_from(sorted(set(MODES) - {"CMYK"})),
    resize_mode=st.sampled_from(["shortest", "squash"]),
    interpolation=st.sampled_from(["bicubic", "bilinear"]),
)
def test_every_size_and_framing_equals_open_clip(size, side, mode, resize_mode, interpolation):
    framing = Framing(side, resize_mode, interpolation)
    data = payload(noise(*size, mode), "PNG")

    np.testing.assert_array_equal(decode_rgb(data, framing), open_clip_pixels(data, framing))


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_formats_of_web_pools_equal_open_clip(image_format):
    data = payload(noise(50, 41), image_format)

    np.testing.assert_array_equal(decode_rgb(data, Framing(24)), open_clip_pixels(data, Framing(24)))


def test_exif_orientation_is_left_alone_as_in_open_clip():
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to show"
    turned = payload(noise(60, 40), "JPEG", exif=exif, quality=90)

    np.testing.assert_array_equal(decode_rgb(turned, Framing(32)), open_clip_pixels(turned, Framing(32)))
    np.testing.assert_array_equal(
        decode_rgb(turned, Framing(32)), decode_rgb(payload(noise(60, 40), "JPEG", quality=90), Framing(32))
    )


def test_palette_with_transparency_does_not_depend_on_warning_filters():
    data = payload(noise(40, 40, "P"), "PNG", transparency=bytes(range(256)))

    assert decode_rgb(data, Framing(16)).any()  # Pillow warns here, and pytest turns warnings into errors


def stored(folder, payloads):
    """One file with the payloads between bytes that belong to no image."""
    path = folder / "shard.tar"
    rows, content = [], b""
    for data in payloads:
        content += b"\0" * 7
        rows.append(ImageBytes(str(path), len(content), len(data)))
        content += data
    path.write_bytes(content)
    return rows


def thin():
    return payload(Image.new("1", (1, 60_000)), "PNG")  # 224 px wide it would have 224 x 13,440,000 pixels


def test_bad_rows_are_zeros_and_a_reason(tmp_path):
    good = payload(noise(40, 30), "PNG")
    jpeg = payload(noise(200, 200), "JPEG")
    postscript = payload(noise(8, 8), "EPS")
    rows = stored(tmp_path, [good, b"not an image", jpeg[: len(jpeg) // 2], b"", thin(), postscript, good])
    beyond = ImageBytes(rows[0].path, rows[-1].offset + 5, 10**6)
    absent = ImageBytes(str(tmp_path / "gone.tar"), 0, 5)

    pixels, errors = decode_rows([*rows, beyond, absent], Framing(224))

    assert errors[0] is None
    assert errors[6] is None
    assert errors[1] == errors[3] == errors[5] == "UnidentifiedImageError: cannot identify image file"
    assert errors[2].startswith("OSError: image file is truncated")
    assert errors[4] == "OSError: image of 1 x 60000 px is 224 x 13440000 px after the resize"
    assert errors[7] == f"OSError: file ends after {len(good) - 5} of 1000000 bytes"
    assert errors[8] == "FileNotFoundError: No such file or directory"
    for row, error in enumerate(errors):
        assert pixels[row].any() == (error is None), f"row {row}"


def test_decoding_keeps_no_file_open(tmp_path):
    rows = stored(tmp_path, [payload(noise(20, 20), "PNG"), b"bad"])
    before = os.listdir("/proc/self/fd") if Path("/proc/self/fd").exists() else pytest.skip("no /proc here")

    decode_rows(rows, Framing(8))

    assert len(os.listdir("/proc/self/fd")) == len(before)
