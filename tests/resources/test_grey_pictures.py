"""Grey squares of pictures: rotation by EXIF, transparency, sixteen bits, and bytes that are no picture."""

import io

import numpy as np
import pytest
from PIL import Image

from resources.grey_pictures import grey_picture


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture
def photo() -> Image.Image:
    areas = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(areas).resize((160, 120), Image.Resampling.BICUBIC)


def test_it_is_pillows_grey_resized(photo: Image.Image):
    expected = np.asarray(photo.convert("L").resize((32, 32), Image.Resampling.LANCZOS))
    assert (grey_picture(saved(photo)) == expected).all()


def test_a_turned_copy_with_exif_is_the_same_picture(photo: Image.Image):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    assert (grey_picture(saved(turned, exif=exif)) == grey_picture(saved(photo))).all()


def test_transparent_parts_are_white(photo: Image.Image):
    layer = photo.convert("RGBA")
    layer.putalpha(Image.linear_gradient("L").resize(photo.size))
    flat = Image.new("RGBA", photo.size, (255, 255, 255, 255))
    flat.alpha_composite(layer)
    assert (grey_picture(saved(layer)) == grey_picture(saved(flat.convert("RGB")))).all()
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([0, 0, 0])
    assert (grey_picture(saved(palette, transparency=0)) == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_mode_gives_a_square(photo: Image.Image, mode: str):
    grey = grey_picture(saved(photo.convert(mode), "TIFF" if mode == "CMYK" else "PNG"))
    assert (grey.shape, grey.dtype) == ((32, 32), np.uint8)


@pytest.mark.parametrize("size_px", [(1, 1), (1, 500), (32, 32)])
def test_odd_sizes(size_px: tuple[int, int]):
    assert (grey_picture(saved(Image.new("L", size_px, 77))) == 77).all()


def test_bytes_that_are_no_whole_picture_are_refused(photo: Image.Image):
    with pytest.raises(OSError, match="cannot identify"):
        grey_picture(b"<html>")
    with pytest.raises(OSError, match="truncated"):
        grey_picture(saved(photo, "JPEG")[:800])
