"""Images that are neither tiny nor strips."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Condition, Filter


def image_size(
    *,
    min_side_px: Annotated[int, Field(ge=1, description="shorter side, px")] = 200,
    max_aspect_ratio: Annotated[float, Field(ge=1, description="longer side over shorter side")] = 3.0,
) -> tuple[Condition, ...]:
    """Keep images that are large enough and not too elongated; both bounds pass.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, basic filtering. The text says above 200 and below 3; the code at
        4a8df199 includes both, as here.
    """
    return (Condition("min_side_px", ">=", min_side_px), Condition("aspect_ratio", "<=", max_aspect_ratio))


FILTER = Filter(conditions=image_size, source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199", version="1")
