"""As many rows of every cluster."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import preferred_column
from curation_assets.spec import Condition, Filter


def cluster_quota(
    *,
    most: Annotated[int, Field(ge=1, description="rows kept of a cluster; smaller clusters stay whole")] = 1,
    prefer: Annotated[
        str, Field(description="which are kept: hard, easy, random, oldest, or a numeric column, low_ before it for the least")
    ] = "hard",
) -> tuple[Condition, ...]:
    """Keep the same number of rows of every cluster.

    Source:
        Yu et al. 2024, Diversify and Conquer, arXiv:2409.11378 (k-means quality): budget / k rows of each cluster. Its code,
        for-ai/iterative-data-selection at 6ac57725, draws them at random by quality; here the best rank, the same each time.
    """
    return (Condition(preferred_column("cluster_rank", prefer), "<=", most - 1),)


FILTER = Filter(conditions=cluster_quota, source="Yu et al. 2024, arXiv:2409.11378", version="1")
