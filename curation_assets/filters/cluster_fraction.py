"""The same fraction of every cluster."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import column_label
from curation_assets.spec import Condition, Filter, Prefer


def cluster_fraction(
    *,
    fraction: Annotated[float, Field(ge=0, le=1, description="share of each cluster kept, exact; ties by uid")] = 0.5,
    prefer: Prefer = "hard",
) -> tuple[Condition, ...]:
    """Keep floor(fraction * n + 1e-9) of the n rows of each cluster, the most preferred; a small cluster may lose all rows.

    Source:
        Sorscher et al. 2022, Beyond neural scaling laws, arXiv:2206.14486, whose classes are kept in balance. Pruning of
        each cluster by itself is that of Okanovic et al. 2023, Repeated random sampling, arXiv:2305.18424, with round(f * n).
    """
    return (Condition(column_label("cluster_rank_fraction", None if prefer == "hard" else prefer), "<=", fraction),)


FILTER = Filter(conditions=cluster_fraction, source="Sorscher et al. 2022, arXiv:2206.14486", version="1")
