"""Pruning by distance to prototypes: which end, and whether of all rows or of each cluster."""

import pytest

from curation_assets.filters.cluster_fraction import cluster_fraction
from curation_assets.filters.prototypes import prototypes
from curation_assets.instances import Instances
from curation_assets.recipe_keep import KeepReader
from curation_assets.spec import Fraction


@pytest.mark.parametrize(("keep", "end"), [("hard", "high"), ("easy", "low")])
def test_of_all_rows_the_far_or_the_near_end_is_kept(keep: str, end: str):
    assert prototypes(fraction=0.3, keep=keep) == (Fraction("prototype_distance", 0.3, end, "source"),)
    assert prototypes(fraction=0.3, keep=keep, over="pool") == (Fraction("prototype_distance", 0.3, end, "pool"),)


@pytest.mark.parametrize("keep", ["hard", "easy"])
def test_balanced_is_the_fraction_of_each_cluster(keep: str):
    assert prototypes(fraction=0.3, keep=keep, is_balanced=True) == cluster_fraction(fraction=0.3, prefer=keep)


def test_a_recipe_understands_all_four():
    for keep in ("hard", "easy"):
        for is_balanced in (True, False):
            faults: list[str] = []
            entry = {"prototypes": {"fraction": 0.3, "keep": keep, "is_balanced": is_balanced}}
            assert len(KeepReader(Instances({}, ()), faults).read_conjunction([entry], ("keep",))) == 1
            assert faults == []
