"""Declarations of scores and filters, and what can be done with a tree of filters without evaluating it."""

import json

import numpy as np
import pyarrow as pa
import pytest

from curation_assets.errors import SchemaError
from curation_assets.keep import AllOf, AnyOf, Keep, Leaf, Not, describe, fractions, leaves, with_cuts
from curation_assets.spec import Condition, Filter, Fraction, Score
from curation_assets.tables import Column

BEST = Fraction("clip_score", 0.3, "high", "pool")
FAR = Fraction("prototype_distance", 0.5, "high", "source")
LONG = Leaf("caption_length", {"min_words": 3}, "2", (Condition("caption_words", ">=", 3),))
ALIGNED = Leaf("clip_score", {"top_fraction": 0.3}, "1", (BEST,))
HARD = Leaf("prototype_distance", {"top_fraction": 0.5}, "1", (FAR,))
TREE = AllOf((LONG, AnyOf((Not(ALIGNED), AllOf((HARD, ALIGNED))))))


def width_ratio(width: np.ndarray, height: np.ndarray, *, power: float = 1.0) -> np.ndarray:
    """Width over height.

    More is said here.
    """
    return (width / height) ** power


def test_score_reads_its_inputs_from_the_signature():
    score = Score(compute=width_ratio, columns=(Column("ratio", pa.float64(), "ratio"),), source="made up", version="1")
    assert score.inputs == ("width", "height")
    assert score.summary == "Width over height."


def test_filter_without_docstring_has_an_empty_summary():
    assert Filter(conditions=lambda: (), source="made up", version="1").summary == ""


def test_leaves_come_from_left_to_right():
    assert [leaf.name for leaf in leaves(TREE)] == ["caption_length", "clip_score", "prototype_distance", "clip_score"]


def test_each_fraction_comes_once_in_order_of_first_use():
    assert fractions(TREE) == [BEST, FAR]


def test_with_cuts_replaces_every_fraction_and_nothing_else():
    cuts = {BEST: Condition("clip_score", ">=", 0.31, (7, 9)), FAR: Condition("prototype_distance", ">=", 0.5, (1, 2))}
    resolved = with_cuts(TREE, cuts)
    assert fractions(resolved) == []
    assert [c.column for leaf in leaves(resolved) for c in leaf.conditions] == [
        c.column for leaf in leaves(TREE) for c in leaf.conditions
    ]
    assert describe(resolved) == describe(TREE), "a cut is no parameter: the tree describes itself as before"
    assert resolved.parts[0] == LONG


def test_with_cuts_names_the_filter_and_the_fraction_that_has_none():
    with pytest.raises(
        SchemaError, match=r"filter 'prototype_distance' needs the cut of Fraction\(column='prototype_distance'"
    ):
        with_cuts(TREE, {BEST: Condition("clip_score", ">=", 0.31)})


def test_describe_is_plain_json_that_tells_trees_apart():
    trees: list[Keep] = [TREE, LONG, Not(LONG), AllOf((LONG,)), AnyOf((LONG,)), AllOf((LONG, HARD)), AllOf((HARD, LONG))]
    texts = [json.dumps(describe(tree)) for tree in trees]
    assert len(set(texts)) == len(trees)
    assert [json.loads(text) for text in texts] == [describe(tree) for tree in trees], "no tuple, which JSON would change"


def test_describe_of_a_small_tree():
    assert describe(AllOf((LONG, Not(ALIGNED)))) == {
        "all": [
            {"filter": "caption_length", "version": "2", "min_words": 3},
            {"not": {"filter": "clip_score", "version": "1", "top_fraction": 0.3}},
        ]
    }
