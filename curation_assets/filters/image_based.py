"""Pictures of clusters that a target set has pictures in."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import column_label
from curation_assets.spec import Condition, Filter


def image_based(
    *,
    target: Annotated[str | None, Field(description="target set, an instance of image_based")] = None,
    min_targets: Annotated[int, Field(ge=1, description="target pictures in the sample's cluster")] = 1,
) -> tuple[Condition, ...]:
    """Keep images whose cluster is that of at least one target picture.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, image-based filtering: a cluster with any ImageNet picture stays. In
        DataComp-1B it is combined with the top 30 % by CLIP score of the whole pool.
    """
    return (Condition(column_label("cluster_target_count", target), ">=", min_targets),)


FILTER = Filter(conditions=image_based, source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199", version="1")
