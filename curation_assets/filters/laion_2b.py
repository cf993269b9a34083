"""The rule of LAION-2B as DataComp reproduces it."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Shorthand


def laion_2b(
    *,
    clip_score: Annotated[str, Field(description="column of the image-text cosine; LAION's model is ViT-B/32")] = "clip_score",
    min_score: Annotated[float, Field(ge=-1, le=1, description="smallest cosine kept")] = 0.28,
) -> list[object]:
    """Keep English captions, by CLD3, that agree with their image.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, its LAION-2B rule; code mlfoundations/datacomp at 4a8df199. It keeps
        about a tenth of DataComp's pool.
    """
    return ["english_caption_cld3", {clip_score: {"min": min_score}}]


FILTER = Shorthand(entries=laion_2b, source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199", version="1")
