"""Captions in English."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Condition, Filter


def english_caption(
    *, min_probability: Annotated[float, Field(ge=0, le=1, description="smallest probability of the language")] = 0.0
) -> tuple[Condition, ...]:
    """Keep captions whose most probable language is English.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, basic filtering: the top label of fastText's lid.176, without a
        threshold on its probability.
    """
    language = Condition("caption_language", "==", "en")
    if not min_probability:
        return (language,)
    return (language, Condition("caption_language_probability", ">=", min_probability))


FILTER = Filter(
    conditions=english_caption, source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199", version="1"
)
