"""Why a sample passes filters or not: every condition of a tree with its value, threshold and distance to it. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from curation_assets.algorithms.decisions import Rows, holds, label, stored_threshold
from curation_assets.keep import AllOf, AnyOf, Keep, Leaf, Not
from curation_assets.spec import Condition, Fraction

HOLDS, FAILS, UNMEASURED = "holds", "fails", "unmeasured"
Number = float | int


@dataclass(frozen=True)
class CutFacts:
    """A fraction with its cut: the best `kept` of `population` rows, down to `cut_value`, of equal ones to `cut_uid`."""

    fraction: float
    keep: str
    over: str
    kept: int
    population: int
    cut_value: float | None
    cut_uid: str


@dataclass(frozen=True)
class StoredCut:
    """A stored cut: the condition that it means, and what is known of it."""

    condition: Condition
    facts: CutFacts


@dataclass(frozen=True)
class ConditionVerdict:
    """One condition.

    Args:
        column: score column.
        comparison: what the value has to be: ==, >= or <= the threshold.
        threshold: as it is compared; None where the cut keeps nothing.
        value: the sample's; None where it could not be measured.
        outcome: holds, fails or unmeasured.
        margin: signed distance to the threshold in the column's unit, positive inside; None for texts and unmeasured values.
        is_decided_by_uid: whether the value is that of the cut itself, so that the uid decided.
        cut: of a fraction, where its threshold comes from.
    """

    column: str
    comparison: str
    threshold: Number | str | None
    value: Number | str | bool | None
    outcome: str
    margin: float | None
    is_decided_by_uid: bool
    cut: CutFacts | None


@dataclass(frozen=True)
class Verdict:
    """A filter (with conditions, all of which must hold), or filters composed by all, any or not (with parts)."""

    kind: str
    name: str
    outcome: str
    conditions: tuple[ConditionVerdict, ...]
    parts: tuple["Verdict", ...]


def explain(keep: Keep, row: Rows, cuts: Mapping[Fraction, StoredCut]) -> Verdict:
    """What a tree of filters says of one sample.

    Args:
        keep: the tree, with its fractions.
        row: one row with every column that the tree names.
        cuts: of every fraction of the tree.
    """
    match keep:
        case Leaf():
            found = tuple(_condition(c, row, cuts) for c in keep.conditions)
            return Verdict("filter", label(keep), _all([c.outcome for c in found]), found, ())
        case Not(part):
            inner = explain(part, row, cuts)
            return Verdict("not", label(keep), negated(inner.outcome), (), (inner,))
        case AllOf(parts):
            inside = tuple(explain(part, row, cuts) for part in parts)
            return Verdict("all", label(keep), _all([part.outcome for part in inside]), (), inside)
        case AnyOf(parts):
            inside = tuple(explain(part, row, cuts) for part in parts)
            outcome = negated(_all([negated(part.outcome) for part in inside]))
            return Verdict("any", label(keep), outcome, (), inside)


def negated(outcome: str) -> str:
    """The outcome of `not`: what could not be measured passes neither way."""
    return {HOLDS: FAILS, FAILS: HOLDS}.get(outcome, outcome)


def filters_of(keep: Keep) -> tuple[Keep, ...]:
    """The filters of a subset one after the other, as its ledger names them."""
    return keep.parts if isinstance(keep, AllOf) else (keep,)


def first_failing(verdicts: tuple[Verdict, ...]) -> str | None:
    """Name of the first filter that does not hold; None if all do."""
    return next((verdict.name for verdict in verdicts if verdict.outcome != HOLDS), None)


def conditions_of(verdict: Verdict) -> Iterator[tuple[str, ConditionVerdict]]:
    """Every condition of a tree, with the name of the filter that it is of."""
    yield from ((verdict.name, condition) for condition in verdict.conditions)
    for part in verdict.parts:
        yield from conditions_of(part)


def finite(value: Number | None) -> Number | None:
    """A number that JSON can hold; None for what is infinite or no number."""
    return None if value is None or not math.isfinite(value) else value


def _all(outcomes: list[str]) -> str:
    if FAILS in outcomes:
        return FAILS
    return UNMEASURED if UNMEASURED in outcomes else HOLDS


def _condition(condition: Condition | Fraction, row: Rows, cuts: Mapping[Fraction, StoredCut]) -> ConditionVerdict:
    cut = cuts[condition] if isinstance(condition, Fraction) else None
    asked = condition if cut is None else cut.condition
    true, false = (bool(mask[0]) for mask in holds(asked, row))
    column = row.columns[asked.column]
    value, threshold = column[0].as_py(), asked.threshold
    margin = None
    if not isinstance(threshold, str):
        threshold = stored_threshold(asked, np.dtype(column.type.to_pandas_dtype()))
        margin = _margin(asked.comparison, value, threshold) if true or false else None
    is_tie = asked.last_uid is not None and margin == 0
    outcome = HOLDS if true else FAILS if false else UNMEASURED
    shown = threshold if isinstance(threshold, str) else finite(threshold)
    shown_value = finite(value) if isinstance(value, float) else value
    facts = None if cut is None else cut.facts
    return ConditionVerdict(asked.column, asked.comparison, shown, shown_value, outcome, margin, is_tie, facts)


def _margin(comparison: str, value: Number, threshold: float) -> Number | None:
    match comparison:
        case ">=":
            return finite(value - threshold)
        case "<=":
            return finite(threshold - value)
    return finite(-abs(value - threshold))
