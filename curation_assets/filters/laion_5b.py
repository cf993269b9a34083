"""The rule of LAION-5B: English and other languages by a model and a threshold each."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Shorthand


def laion_5b(
    *,
    clip_score: Annotated[str, Field(description="column of the cosine by an English model, LAION's ViT-B/32")] = "clip_score",
    multilingual_score: Annotated[
        str, Field(description="column of the cosine by a multilingual model")
    ] = "clip_score_multilingual",
    min_score: Annotated[float, Field(ge=-1, le=1, description="smallest cosine kept of English captions")] = 0.28,
    min_multilingual_score: Annotated[float, Field(ge=-1, le=1, description="smallest cosine kept of other captions")] = 0.26,
) -> list[object]:
    """Keep captions in English, by CLD3, and in other languages that agree with their image by a model that reads them.

    A caption without a language (`und`) counts as not English. LAION-5B also put aside captions whose language was not
    certain; that part is here among the other languages.

    Source:
        Schuhmann et al. 2022, LAION-5B, arXiv:2210.08402: 0.28 by ViT-B/32 for English, 0.26 by multilingual CLIP else.
    """
    english = ["english_caption_cld3", {clip_score: {"min": min_score}}]
    other = [{"not": "english_caption_cld3"}, {multilingual_score: {"min": min_multilingual_score}}]
    return [{"any": [{"all": english}, {"all": other}]}]


FILTER = Shorthand(entries=laion_5b, source="LAION-5B, arXiv:2210.08402", version="1")
