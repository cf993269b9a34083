"""Explanations of filter trees against the evaluation of whole columns."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.keep import AllOf, AnyOf, Keep, Leaf, Not
from curation_assets.lineage.verdicts import CutFacts, StoredCut, conditions_of, explain, filters_of, first_failing
from curation_assets.spec import Condition, Fraction


def leaf(name: str, *conditions: Condition | Fraction) -> Leaf:
    return Leaf(name, {}, "1", conditions)


def one_row(**values: object) -> Rows:
    types = {float: pa.float32(), int: pa.int32(), str: pa.string()}
    columns = {name: pa.array([v], types.get(type(v), pa.float32())) for name, v in values.items()}
    return Rows(columns, np.array([5], np.int64), np.array([7], np.int64))


LEAVES = [leaf("low", Condition("x", "<=", 0.5)), leaf("high", Condition("x", ">=", 0.25)), leaf("y", Condition("y", "==", 3))]
TREES = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda parts: AllOf(tuple(parts)), st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: AnyOf(tuple(parts)), st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(TREES, min_size=1, max_size=3))
def test_the_first_filter_that_does_not_hold_is_that_of_the_ledger(parts: list[Keep]) -> None:
    keep = AllOf(tuple(parts))
    for x, y in itertools.product((None, 0.0, 0.25, 0.3, 0.5, 1.0), (None, 3, 4)):
        rows = Rows(
            {"x": pa.array([x], pa.float32()), "y": pa.array([y], pa.int32())}, np.zeros(1, np.int64), np.zeros(1, np.int64)
        )
        verdicts = tuple(explain(part, rows, {}) for part in filters_of(keep))
        decisions = decide(keep, rows)
        assert first_failing(verdicts) == decisions.filter[0]
        assert (first_failing(verdicts) is None) == decisions.is_kept[0]


@pytest.mark.parametrize(
    ("comparison", "value", "outcome", "margin"),
    [
        (">=", 0.75, "holds", 0.25),
        (">=", 0.25, "fails", -0.25),
        ("<=", 0.25, "holds", 0.25),
        ("<=", 0.5, "holds", 0.0),
        ("==", 0.5, "holds", 0.0),
        ("==", 0.75, "fails", -0.25),
        (">=", None, "unmeasured", None),
    ],
)
def test_margins_are_positive_inside(comparison: str, value: float | None, outcome: str, margin: float | None) -> None:
    verdict = explain(leaf("f", Condition("x", comparison, 0.5)), one_row(x=value), {})
    condition = verdict.conditions[0]
    assert (verdict.outcome, condition.outcome, condition.margin) == (outcome, outcome, margin)


def test_texts_have_no_margin() -> None:
    condition = explain(leaf("f", Condition("t", "==", "en")), one_row(t="de"), {}).conditions[0]
    assert (condition.value, condition.threshold, condition.outcome, condition.margin) == ("de", "en", "fails", None)


@pytest.mark.parametrize(
    ("last", "outcome"), [((5, 7), "holds"), ((5, 6), "fails"), ((4, 2**64 - 1), "fails"), ((6, 0), "holds")]
)
def test_of_equal_values_the_uid_decides(last: tuple[int, int], outcome: str) -> None:
    fraction = Fraction("x", 0.5, "high", "source")
    facts = CutFacts(0.5, "high", "source", 1, 2, 0.5, "")
    cuts = {fraction: StoredCut(Condition("x", ">=", 0.5, last), facts)}
    condition = explain(leaf("f", fraction), one_row(x=0.5), cuts).conditions[0]
    assert (condition.outcome, condition.margin, condition.is_decided_by_uid, condition.cut) == (outcome, 0.0, True, facts)


def test_a_fraction_of_nothing_keeps_nothing_and_is_still_json() -> None:
    fraction = Fraction("x", 0.0, "high", "source")
    cuts = {fraction: StoredCut(Condition("x", ">=", np.inf, (0, 0)), CutFacts(0.0, "high", "source", 0, 2, None, ""))}
    condition = explain(leaf("f", fraction), one_row(x=0.5), cuts).conditions[0]
    assert (condition.outcome, condition.threshold, condition.margin) == ("fails", None, None)


def test_every_condition_of_a_tree_is_listed_with_its_filter() -> None:
    tree = AnyOf((LEAVES[0], Not(AllOf((LEAVES[1], LEAVES[2])))))
    found = [(name, condition.column) for name, condition in conditions_of(explain(tree, one_row(x=0.1, y=3), {}))]
    assert found == [("low", "x"), ("high", "x"), ("y", "y")]
