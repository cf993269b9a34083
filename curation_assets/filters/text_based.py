"""DataComp's text-based filter: English captions that name something of ImageNet-21k."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Shorthand


def text_based(
    *,
    min_words: Annotated[int, Field(ge=1, description="words of the caption that name a listed synset")] = 1,
    synset_words: Annotated[str, Field(description="column of score first_synset that counts them")] = "listed_synset_words",
) -> list[object]:
    """Keep English captions with a word whose first WordNet synset is one of ImageNet-21k.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, text-based filtering; code mlfoundations/datacomp at 4a8df199.
    """
    return ["english_caption", {synset_words: {"min": min_words}}]


FILTER = Shorthand(entries=text_based, source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199", version="1")
