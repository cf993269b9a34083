"""DataComp's basic filter: English, long enough, large enough and not a strip."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Shorthand


def basic_filter(
    *,
    min_words: Annotated[int, Field(ge=0, description="words, by str.split")] = 3,
    min_chars: Annotated[int, Field(ge=0, description="Unicode code points")] = 6,
    min_side_px: Annotated[int, Field(ge=1, description="shorter side, px")] = 200,
    max_aspect_ratio: Annotated[float, Field(ge=1, description="longer side over shorter side")] = 3.0,
) -> list[object]:
    """Keep English captions of enough words and characters, with images that are neither tiny nor strips.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, basic filtering; code mlfoundations/datacomp at 4a8df199.
    """
    return [
        "english_caption",
        {"caption_length": {"min_words": min_words, "min_chars": min_chars}},
        {"image_size": {"min_side_px": min_side_px, "max_aspect_ratio": max_aspect_ratio}},
    ]


FILTER = Shorthand(entries=basic_filter, source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199", version="1")
