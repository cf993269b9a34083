"""Names of columns of a score that a recipe declares several times."""

from curation_assets.algorithms.labels import column_label


def test_an_instance_follows_the_column():
    assert column_label("normsim", "flowers") == "normsim_flowers"
    assert column_label("normsim", None) == "normsim"
