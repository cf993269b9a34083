"""Small pictures to look at, straight from the pool's files; a picture that cannot be made is a grey square."""

import os
from io import BytesIO

from PIL import Image

from resources.decode import ImageBytes, read_payload
from resources.images import FORMATS

_GREY = (200, 200, 200)


def thumbnail(place: ImageBytes, side_px: int) -> Image.Image:
    """The image scaled down to fit a square, in RGB.

    Uses JPEG's draft mode, which is fast and not byte-exact: for people, never for a model.

    Args:
        place: where the encoded image lies.
        side_px: longest side of the result.
    """
    try:
        files: dict[str, int] = {}
        try:
            payload = read_payload(place, files)
        finally:
            for file in files.values():
                os.close(file)
        picture = Image.open(BytesIO(payload), formats=FORMATS)
        picture.draft("RGB", (side_px, side_px))
        picture.thumbnail((side_px, side_px))
        return picture.convert("RGB")
    except Exception:  # Pillow's plugins raise whatever they like on hostile bytes, and this is only decoration
        return Image.new("RGB", (side_px, side_px), _GREY)
