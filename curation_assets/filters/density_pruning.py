"""More of the complex clusters."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import column_label
from curation_assets.spec import Condition, Filter


def density_pruning(
    *, instance: Annotated[str | None, Field(description="instance of the score density_pruning; none for its defaults")] = None
) -> tuple[Condition, ...]:
    """Keep of each cluster as many rows as its complexity allows, the hardest first.

    The share of the pool that is kept, and how alike clusters are treated, are settings of the score `density_pruning`. It
    counts the rows of the whole pool, whatever other filters drop.

    Source:
        Abbas et al. 2024, Effective pruning of web-scale data based on complexity of concept clusters, arXiv:2401.04578.
    """
    return (Condition(column_label("density_excess", instance), "<=", -1),)


FILTER = Filter(conditions=density_pruning, source="Abbas et al. 2024, arXiv:2401.04578", version="1")
