"""A subset that is balanced over a tree of clusters."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import column_label
from curation_assets.spec import Condition, Filter


def hierarchical_sampling(
    *,
    instance: Annotated[str | None, Field(description="instance of the score, which says how many")] = None,
) -> tuple[Condition, ...]:
    """Keep of each cluster the most preferred samples, as many as its quota.

    How many in all, of which tree and which of a cluster are settings of the score hierarchical_sampling.

    Source:
        Vo et al. 2024, Automatic Data Curation for Self-Supervised Learning, arXiv:2405.15613; code
        facebookresearch/ssl-data-curation at f5405376.
    """
    return (Condition(column_label("leaf_excess", instance), "<=", -1),)


FILTER = Filter(conditions=hierarchical_sampling, source="Vo et al. 2024, arXiv:2405.15613", version="1")
