import numpy as np

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.filters.no_filter import no_filter
from curation_assets.keep import AllOf, Leaf, Not


def test_every_row_is_kept_and_its_negation_keeps_none():
    leaf = Leaf("no_filter", {}, "1", no_filter())
    rows = Rows({}, np.arange(3), np.zeros(3, np.int64))
    assert decide(AllOf((leaf,)), rows).is_kept.all()
    dropped = decide(AllOf((Not(leaf),)), rows)
    assert not dropped.is_kept.any()
    assert dropped.filter.tolist() == ["not(no_filter)"] * 3
