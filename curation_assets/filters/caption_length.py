"""Captions that say something."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Condition, Filter


def caption_length(
    *,
    min_words: Annotated[int, Field(ge=0, description="words, by str.split")] = 3,
    min_chars: Annotated[int, Field(ge=0, description="Unicode code points")] = 6,
) -> tuple[Condition, ...]:
    """Keep captions with enough words and characters.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, basic filtering: more than two words and more than five characters,
        which are the defaults here, written as the smallest values that pass.
    """
    return (Condition("caption_words", ">=", min_words), Condition("caption_chars", ">=", min_chars))


FILTER = Filter(conditions=caption_length, source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199", version="1")
