"""The same number of rows of every cluster."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import column_label
from curation_assets.spec import Condition, Filter, Prefer


def cluster_quota(
    *,
    most: Annotated[int, Field(ge=1, description="rows of a cluster that stay; all where it has fewer")] = 100,
    prefer: Prefer = "random",
) -> tuple[Condition, ...]:
    """Keep up to the same number of rows of each cluster, the most preferred.

    Source:
        Yu et al. 2024, Diversify and Conquer, arXiv:2409.11378: k-means, and an equal quota per cluster, drawn at random or
        by quality. There quality is the weight of a draw; here a column is an order, so the best stay.
    """
    return (Condition(column_label("cluster_rank", None if prefer == "hard" else prefer), "<=", most - 1),)


FILTER = Filter(conditions=cluster_quota, source="Yu et al. 2024, arXiv:2409.11378", version="1")
