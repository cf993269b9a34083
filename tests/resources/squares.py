"""Pictures that a tiny network can learn: a coloured square on a coloured ground, and a caption that says so."""

import io

import numpy as np
from PIL import Image, ImageDraw

from resources.decode import ImageBytes

COLOURS = ("red", "green", "blue", "yellow", "black", "purple")


def stored(folder, count, seed=0):
    """`count` squares on a ground, named by their colours, in one file."""
    rng = np.random.default_rng(seed)
    rows, texts, content = [], [], b""
    for _ in range(count):
        inner, outer = rng.choice(COLOURS, 2, replace=False)
        picture = Image.new("RGB", (24, 24), str(outer))
        left, top = rng.integers(4, 9, 2).tolist()
        ImageDraw.Draw(picture).rectangle((left, top, left + 11, top + 11), fill=str(inner))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        rows.append((len(content), len(buffer.getvalue())))
        texts.append(f"a {inner} square on a {outer} ground, number {rng.integers(1000)}")
        content += buffer.getvalue()
    path = folder / f"squares-{count}-{seed}.tar"
    path.write_bytes(content)
    return [ImageBytes(str(path), *row) for row in rows], texts
