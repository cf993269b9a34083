"""The image-text rule of LAION-400M."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Shorthand


def laion_400m(
    *,
    clip_score: Annotated[str, Field(description="column of the image-text cosine; LAION's model is ViT-B/32")] = "clip_score",
    min_score: Annotated[float, Field(ge=-1, le=1, description="smallest cosine kept")] = 0.30,
) -> list[object]:
    """Keep pairs whose image and caption agree as LAION-400M asked for; its sizes are `laion_text_size`.

    Source:
        Schuhmann et al. 2021, LAION-400M, arXiv:2111.02114.
    """
    return [{clip_score: {"min": min_score}}]


FILTER = Shorthand(entries=laion_400m, source="LAION-400M, arXiv:2111.02114", version="1")
