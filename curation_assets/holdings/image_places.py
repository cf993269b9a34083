"""Where the bytes of images lie."""

import pyarrow as pa

from curation_assets.recipe import Recipe
from resources.decode import ImageBytes


def image_places(pool: pa.Table, recipe: Recipe) -> list[ImageBytes]:
    """Where the image bytes of rows of raw_pool lie on this machine; a row without any is at no path."""
    tars = {name: str(recipe.folder / name) for name in pool["tar"].unique().to_pylist() if name is not None}
    column = str(recipe.file.pool.image_column) if recipe.file.pool.format == "parquet" else ""
    columns = (pool[name].to_pylist() for name in ("tar", "offset_bytes", "image_bytes"))
    return [
        ImageBytes(tars.get(tar, ""), offset or 0, length or 0, column) for tar, offset, length in zip(*columns, strict=True)
    ]
