"""One of several pictures that show the same."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import preferred_column
from curation_assets.spec import Condition, Filter, Prefer


def semantic_duplicate(
    *,
    eps: Annotated[float, Field(ge=0, le=1, description="largest cosine distance of a duplicate, below which it goes")] = 0.05,
    prefer: Prefer = "hard",
) -> tuple[Condition, ...]:
    """Drop pictures that are closer than eps to a preferred one of their cluster.

    A picture stays when its similarity to every preferred one is at most 1 - eps. The bound is 1 - eps rounded to float32,
    as similarities are stored, so that eps means the same wherever it is compared: a similarity within 2**-25 of 1 - eps
    may count as equal to it, and stays. With eps 0 everything stays, since no similarity is above 1.

    Source:
        Abbas et al. 2023, SemDeDup, arXiv:2303.09540; the authors' semdedup.py drops above 1 - eps, as here, NeMo Curator
        from 1 - eps on. Of LAION-440M eps 0.03 keeps 72 % and 0.124 half (the authors' constants.py, with their CLIP).
    """
    return (Condition(preferred_column("semdedup_similarity", prefer), "<=", 1 - eps),)


FILTER = Filter(conditions=semantic_duplicate, source="SemDeDup, arXiv:2303.09540", version="1")
