"""Pruning by the distance to the prototype, which is the centroid of a sample's cluster."""

from typing import Annotated, Literal

from pydantic import Field

from curation_assets.algorithms.labels import column_label
from curation_assets.spec import Condition, Filter, Fraction


def prototypes(
    *,
    fraction: Annotated[float, Field(ge=0, le=1, description="share kept, exact; ties by uid")] = 0.8,
    keep: Annotated[Literal["hard", "easy"], Field(description="hard is far from the prototype, easy near to it")] = "hard",
    is_balanced: Annotated[bool, Field(description="the fraction is of each cluster, not of all rows")] = False,
    over: Annotated[
        Literal["source", "pool"],
        Field(
            description="rows that the fraction is of: the subset's source, or all; balanced ones are of the pool's clusters"
        ),
    ] = "source",
) -> tuple[Condition | Fraction, ...]:
    """Keep the samples farthest from their prototypes, or the nearest.

    Source:
        Sorscher et al. 2022, Beyond neural scaling laws, arXiv:2206.14486: hard samples where data is plentiful, easy ones
        where it is scarce; 80 % of ImageNet suffice. Their balance leaves each class half of an equal share; here each
        cluster keeps the same fraction.
    """
    if is_balanced:
        return (Condition(column_label("cluster_rank_fraction", None if keep == "hard" else keep), "<=", fraction),)
    return (Fraction("prototype_distance", fraction, "high" if keep == "hard" else "low", over),)


FILTER = Filter(conditions=prototypes, source="Sorscher et al. 2022, arXiv:2206.14486", version="1")
