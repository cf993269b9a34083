"""Pictures for materialization metadata: histograms and contact sheets, as small inline PNGs.

Metadata is stored in Dagster's event log for ever, so a picture here is tens of kilobytes and never more than
`LARGEST_BYTES`.
"""

import base64
from collections.abc import Sequence
from io import BytesIO

import dagster as dg
import numpy as np
from PIL import Image, ImageDraw

LARGEST_BYTES = 90_000  # 120 kB as base64, which leaves room for a table of samples below 200 kB
_INK, _PAPER, _BAR, _KEPT, _DROPPED = (40, 44, 52), (255, 255, 255), (79, 110, 247), (34, 139, 84), (196, 60, 60)


def histogram(values: np.ndarray, *, bins: int = 48, width_px: int = 480, height_px: int = 160) -> Image.Image:
    """Histogram of finite numbers, with smallest value, median and largest value written below."""
    picture = Image.new("RGB", (width_px, height_px), _PAPER)
    draw = ImageDraw.Draw(picture)
    values = np.asarray(values[np.isfinite(values)], np.float64)
    if not len(values):
        draw.text((8, 8), "no values", fill=_INK)
        return picture
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # numpy finds no bins between values that are all but equal
        margin = max(0.5, 1e-6 * abs(low))
        low, high = low - margin, low + margin
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    floor, bar = height_px - 22, width_px / bins
    for i, height in enumerate(counts / counts.max() * (floor - 10)):
        if height:
            draw.rectangle([i * bar + 1, floor - max(height, 1), (i + 1) * bar - 1, floor], fill=_BAR)
    draw.line([0, floor, width_px, floor], fill=_INK)
    draw.text((2, floor + 5), f"{edges[0]:.4g}", fill=_INK)
    draw.text((width_px / 2, floor + 5), f"median {np.median(values):.4g}", fill=_INK, anchor="ma")
    draw.text((width_px - 2, floor + 5), f"{edges[-1]:.4g}", fill=_INK, anchor="ra")
    return picture


def line_chart(values: np.ndarray, *, width_px: int = 480, height_px: int = 160) -> Image.Image:
    """A curve of finite numbers from left to right, with its first, smallest and last value written below."""
    picture = Image.new("RGB", (width_px, height_px), _PAPER)
    draw = ImageDraw.Draw(picture)
    values = values[np.isfinite(values)]
    if not len(values):
        draw.text((8, 8), "no values", fill=_INK)
        return picture
    floor, span = height_px - 22, float(values.max() - values.min()) or 1.0
    x = np.linspace(2, width_px - 3, len(values))
    y = floor - 4 - (values - values.min()) / span * (floor - 12)
    draw.line([0, floor, width_px, floor], fill=_INK)
    draw.line([(float(a), float(b)) for a, b in zip(x, y, strict=True)], fill=_BAR, width=2)
    draw.text((2, floor + 5), f"first {values[0]:.4g}", fill=_INK)
    draw.text((width_px / 2, floor + 5), f"smallest {values.min():.4g}", fill=_INK, anchor="ma")
    draw.text((width_px - 2, floor + 5), f"last {values[-1]:.4g}", fill=_INK, anchor="ra")
    return picture


def contact_sheet(kept: Sequence[Image.Image], dropped: Sequence[Image.Image], *, cell_px: int = 80) -> Image.Image:
    """Kept samples in rows with a green edge, then dropped samples with a red one, each group under its name."""
    columns, strip_px = 8, 18
    groups = ((kept, f"kept ({len(kept)} shown)", _KEPT), (dropped, f"dropped ({len(dropped)} shown)", _DROPPED))
    height = sum(strip_px + -(-len(group) // columns) * cell_px for group, _, _ in groups)
    sheet = Image.new("RGB", (columns * cell_px, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = 0
    for group, title, colour in groups:
        draw.text((4, top + 4), title, fill=colour)
        top += strip_px
        for i, picture in enumerate(group):
            x, y = i % columns * cell_px, top + i // columns * cell_px
            thumbnail = fitted(picture, cell_px - 8)
            sheet.paste(thumbnail, (x + (cell_px - thumbnail.width) // 2, y + (cell_px - thumbnail.height) // 2))
            draw.rectangle([x + 1, y + 1, x + cell_px - 2, y + cell_px - 2], outline=colour, width=2)
        top += -(-len(group) // columns) * cell_px
    return sheet


def fitted(picture: Image.Image, side_px: int) -> Image.Image:
    """The picture in RGB, scaled to fit a square; tiny ones are enlarged so that they can be seen."""
    scale = side_px / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.convert("RGB").resize(size, Image.Resampling.BILINEAR)


def png(picture: Image.Image) -> bytes:
    """The picture as PNG of at most `LARGEST_BYTES`, with fewer colours and then smaller where that is needed."""
    while True:
        for colours in (256, 64):
            stream = BytesIO()
            picture.quantize(colours, method=Image.Quantize.FASTOCTREE).save(stream, "PNG", optimize=True)
            if stream.tell() <= LARGEST_BYTES:
                return stream.getvalue()
        picture = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.BILINEAR)


def inline(picture: Image.Image, name: str) -> dg.MarkdownMetadataValue:
    """The picture as Markdown that Dagster's UI shows without another request; `name` is ours, never a caption."""
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png(picture)).decode()})")
