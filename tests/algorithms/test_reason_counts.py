from curation_assets.algorithms.reason_counts import reason_counts


def test_most_frequent_first_and_equals_by_name():
    assert list(reason_counts(["b", None, "a", "c", "c"]).items()) == [("c", 2), ("a", 1), ("b", 1)]
    assert reason_counts([None]) == {}
