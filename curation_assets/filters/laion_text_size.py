"""LAION's rule on the size of caption and image file."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Shorthand


def laion_text_size(
    *,
    min_chars: Annotated[int, Field(ge=0, description="Unicode code points")] = 5,
    min_bytes: Annotated[int, Field(ge=0, description="size of the image file, bytes")] = 5000,
) -> list[object]:
    """Keep pairs whose caption and whose image file are not tiny.

    Source:
        Schuhmann et al. 2021, LAION-400M, arXiv:2111.02114: captions shorter than 5 characters and files under 5 KB are
        dropped, here 5000 bytes. Theirs is the size of the file as downloaded.
    """
    return [{"caption_chars": {"min": min_chars}}, {"image_file_bytes": {"min": min_bytes}}]


FILTER = Shorthand(entries=laion_text_size, source="LAION-400M, arXiv:2111.02114", version="1")
