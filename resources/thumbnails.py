"""Small pictures to look at, straight from a tar; a picture that cannot be made is a grey square."""

from io import BytesIO

from PIL import Image

from resources.decode import ImageBytes
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
        with open(place.path, "rb") as file:
            file.seek(place.offset)
            picture = Image.open(BytesIO(file.read(place.length)), formats=FORMATS)
        picture.draft("RGB", (side_px, side_px))
        picture.thumbnail((side_px, side_px))
        return picture.convert("RGB")
    except Exception:  # Pillow's plugins raise whatever they like on hostile bytes, and this is only decoration
        return Image.new("RGB", (side_px, side_px), _GREY)
