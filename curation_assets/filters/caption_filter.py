"""DataComp's caption rule before images are clustered, which is another one than that of its basic filter."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Shorthand


def caption_filter(
    *,
    min_tokens: Annotated[int, Field(ge=0, description="fastText tokens")] = 2,
    min_chars: Annotated[int, Field(ge=0, description="Unicode code points")] = 6,
) -> list[object]:
    """Keep English captions with enough fastText tokens and characters.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, image-based filtering; code mlfoundations/datacomp at 4a8df199: more
        than one token and more than five characters, written here as the smallest values that pass.
    """
    return ["english_caption", {"caption_tokens": {"min": min_tokens}}, {"caption_chars": {"min": min_chars}}]


FILTER = Shorthand(entries=caption_filter, source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199", version="1")
