"""Everything."""

from curation_assets.spec import Condition, Filter


def no_filter() -> tuple[Condition, ...]:
    """Keep every row of the source.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, the baseline without a filter.
    """
    return ()


FILTER = Filter(conditions=no_filter, source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199", version="1")
