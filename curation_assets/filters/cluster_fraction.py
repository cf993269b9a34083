"""The same share of every cluster."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import preferred_column
from curation_assets.spec import Condition, Filter


def cluster_fraction(
    *,
    fraction: Annotated[float, Field(gt=0, le=1, description="share kept of each cluster, rounded down")] = 0.8,
    prefer: Annotated[
        str, Field(description="which are kept: hard, easy, random, oldest, or a numeric column, low_ before it for the least")
    ] = "hard",
) -> tuple[Condition, ...]:
    """Keep the same share of every cluster, the most preferred first.

    Of n rows floor(fraction * n) stay, which for a small cluster may be none.

    Source:
        Sorscher et al. 2022, Beyond neural scaling laws, arXiv:2206.14486, as in the code of Okanovic et al. 2023,
        arXiv:2305.18424 (PatrikOkanovic/RS2 at 99edfc8a), which keeps round(fraction * n), halves to even.
    """
    return (Condition(preferred_column("cluster_rank_share", prefer), "<=", fraction),)


FILTER = Filter(conditions=cluster_fraction, source="Sorscher et al. 2022, arXiv:2206.14486", version="1")
