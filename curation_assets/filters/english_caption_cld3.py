"""Captions that CLD3 takes for English."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Condition, Filter


def english_caption_cld3(
    *, min_probability: Annotated[float, Field(ge=0, le=1, description="smallest probability of the language")] = 0.0
) -> tuple[Condition, ...]:
    """Keep captions whose most probable language is English by CLD3.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, its LAION-2B rule; code mlfoundations/datacomp at 4a8df199 compares
        the language only, without a threshold on its probability.
    """
    language = Condition("caption_language_cld3", "==", "en")
    if not min_probability:
        return (language,)
    return (language, Condition("caption_language_cld3_probability", ">=", min_probability))


FILTER = Filter(
    conditions=english_caption_cld3, source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199", version="1"
)
