"""Rows below the balanced cut. How ranks come about is tested with the score."""

from curation_assets.filters.prototype_pruning import prototype_pruning
from curation_assets.spec import Condition


def test_conditions():
    assert prototype_pruning() == (Condition("prototype_excess", "<=", -1),)
    assert prototype_pruning(instance="easy") == (Condition("prototype_excess_easy", "<=", -1),)
