"""Thumbnails of good, broken and missing images."""

import io
from pathlib import Path

import pytest
from PIL import Image

from resources.decode import ImageBytes
from resources.thumbnails import thumbnail


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_image_inside_a_file_fits_the_square_and_keeps_its_colour(form: str, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (300, 150), (200, 30, 30)).save(stream, form)
    (tmp_path / "a.tar").write_bytes(b"header" + stream.getvalue() + b"tail")
    small = thumbnail(ImageBytes(str(tmp_path / "a.tar"), 6, len(stream.getvalue())), 60)
    assert small.size == (60, 30)
    assert all(abs(found - drawn) < 12 for found, drawn in zip(small.getpixel((30, 15)), (200, 30, 30), strict=True))


@pytest.mark.parametrize("payload", [b"", b"<html>", b"\x89PNG\r\n\x1a\n" + b"\xff" * 40, b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_image_is_a_grey_square(payload: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(payload)
    for path in (tmp_path / "a.tar", tmp_path / "missing.tar"):
        grey = thumbnail(ImageBytes(str(path), 0, len(payload)), 60)
        assert grey.size == (60, 60)
        assert grey.getcolors() == [(3600, (200, 200, 200))]
