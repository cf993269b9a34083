"""Images as large as those of LAION's high-resolution subset."""

from typing import Annotated

from pydantic import Field

from curation_assets.spec import Condition, Filter


def laion_high_resolution(
    *, min_side_px: Annotated[int, Field(ge=1, description="shorter side, px")] = 1024
) -> tuple[Condition, ...]:
    """Keep images that are at least so wide and so high.

    Source:
        Schuhmann et al. 2022, LAION-5B, arXiv:2210.08402: LAION-High-Resolution is what is at least 1024 px wide and high.
    """
    return (Condition("min_side_px", ">=", min_side_px),)


FILTER = Filter(conditions=laion_high_resolution, source="LAION-5B, arXiv:2210.08402", version="1")
