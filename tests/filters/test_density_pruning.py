"""Rows below their cluster's quota. How quotas come about is tested with the score."""

from curation_assets.filters.density_pruning import density_pruning
from curation_assets.spec import Condition


def test_conditions():
    assert density_pruning() == (Condition("density_excess", "<=", -1),)
    assert density_pruning(instance="third") == (Condition("density_excess_third", "<=", -1),)
