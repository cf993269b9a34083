"""Hard samples of the whole pool, but some of every cluster."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import column_label
from curation_assets.spec import Condition, Filter


def prototype_pruning(
    *,
    instance: Annotated[str | None, Field(description="instance of the score prototype_pruning; none for its defaults")] = None,
) -> tuple[Condition, ...]:
    """Keep the most preferred rows of the pool, and a least number of every cluster.

    The share kept and the balance are settings of the score `prototype_pruning`. The filter `prototypes` is for no balance at
    all, or for the same fraction of every cluster.

    Source:
        Sorscher et al. 2022, Beyond neural scaling laws, arXiv:2206.14486.
    """
    return (Condition(column_label("prototype_excess", instance), "<=", -1),)


FILTER = Filter(conditions=prototype_pruning, source="Sorscher et al. 2022, arXiv:2206.14486", version="1")
