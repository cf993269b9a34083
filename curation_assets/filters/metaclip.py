"""Captions balanced over a metadata list."""

from typing import Annotated

from pydantic import Field

from curation_assets.algorithms.labels import column_label
from curation_assets.spec import Condition, Filter


def metaclip(
    *, instance: Annotated[str | None, Field(description="instance of metaclip_probability; none for its defaults")] = None
) -> tuple[Condition, ...]:
    """Keep captions that the balance over metadata entries draws.

    How many captions an entry keeps is a setting of the score `metaclip_probability`. Its draw is never 0, so a margin of 0
    or more has exactly the probability of the row.

    Source:
        Xu et al. 2023, Demystifying CLIP Data, arXiv:2309.16671, algorithm 1.
    """
    return (Condition(column_label("metaclip_margin", instance), ">=", 0.0),)


FILTER = Filter(conditions=metaclip, source="Xu et al. 2023, arXiv:2309.16671", version="1")
