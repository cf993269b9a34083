"""Pictures that are not those of a test."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import column_label
from curation_assets.spec import Condition, Filter


def decontaminated(
    *,
    max_similarity: Annotated[float, Field(ge=-1, le=1, description="largest cosine to a target picture")] = 0.95,
    target: Annotated[str | None, Field(description="target set, an instance of target_similarity")] = None,
) -> tuple[Condition, ...]:
    """Keep images that are not too similar to any picture of a target set, such as an evaluation set.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, removes near-copies of evaluation pictures by descriptors made for
        copy detection. Their threshold means nothing for CLIP embeddings; the default is a choice of ours, to be checked
        by eye.
    """
    return (Condition(column_label("target_similarity", target), "<=", max_similarity),)


FILTER = Filter(conditions=decontaminated, source="DataComp, arXiv:2304.14108", version="1")
