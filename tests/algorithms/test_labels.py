"""Names of columns of a score that a recipe declares several times."""

from curation_assets.algorithms.labels import column_label, preferred_column


def test_an_instance_follows_the_column():
    assert column_label("normsim", "flowers") == "normsim_flowers"
    assert column_label("normsim", None) == "normsim"


def test_the_usual_preference_has_no_name():
    assert preferred_column("semdedup_similarity", "hard") == "semdedup_similarity"
    assert preferred_column("semdedup_similarity", "low_clip_score") == "semdedup_similarity_low_clip_score"
