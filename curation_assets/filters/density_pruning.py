"""Wide clusters far from others keep more of their rows, the outermost first."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import column_label
from curation_assets.spec import Condition, Filter


def density_pruning(
    *, instance: Annotated[str | None, Field(description="instance of density_pruning; none for its defaults")] = None
) -> tuple[Condition, ...]:
    """Keep the rows of each cluster that lie farthest from its centroid, up to the cluster's quota.

    How much is kept is a setting of the score `density_pruning`, since the quotas of all clusters depend on it; of the
    score's rows exactly that fraction stays, of a subset's source that other filters made smaller, whatever is left of it.

    Source:
        Abbas et al. 2024, Effective pruning of web-scale datasets based on complexity of concept clusters, arXiv:2401.04578.
    """
    return (Condition(column_label("density_excess", instance), "<=", -1),)


FILTER = Filter(conditions=density_pruning, source="Abbas et al. 2024, arXiv:2401.04578", version="1")
