"""Trees of filters against an oracle that decides row by row with three-valued logic."""

import math
import struct
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.decisions import Decisions, Rows, decide, holds, label, spelled, stored_threshold
from curation_assets.errors import SchemaError
from curation_assets.keep import AllOf, AnyOf, Keep, Leaf, Not
from curation_assets.spec import Condition, Fraction

TYPES = {"similarity": pa.float32(), "ratio": pa.float64(), "words": pa.int32(), "language": pa.string()}
# Few values, so that ties with the thresholds are common. 0.28 and 0.1 are no float32 numbers.
NUMBERS = (-1.0, 0.0, 0.1, 0.28, 0.30000001, 3.0)
VALUES = {"similarity": (*NUMBERS, math.nan), "ratio": (*NUMBERS, math.nan), "words": (-1, 0, 3), "language": ("en", "de", "")}
UIDS = (0, 1, 2**63, 2**64 - 1)
Row = Mapping[str, object]


def float32(number: float) -> float:
    return struct.unpack("f", struct.pack("f", number))[0]


def rows_of(table: list[Row]) -> Rows:
    columns = {name: pa.array([row[name] for row in table], kind) for name, kind in TYPES.items()}
    halves = [np.array([row[half] for row in table], np.uint64).view(np.int64) for half in ("hi", "lo")]
    return Rows(columns, *halves)


def truth_of_condition(condition: Condition, row: Row) -> bool | None:
    value, threshold = row[condition.column], condition.threshold
    if value is None or value != value:
        return None
    if condition.column == "similarity":
        value, threshold = float32(value), float32(threshold)
    if condition.last_uid is not None and value == threshold:
        return (row["hi"] << 64 | row["lo"]) <= (condition.last_uid[0] << 64 | condition.last_uid[1])
    return {"==": value == threshold, ">=": value >= threshold, "<=": value <= threshold}[condition.comparison]


def conjunction(parts: list[bool | None]) -> bool | None:
    if False in parts:
        return False
    return None if None in parts else True


def negation(part: bool | None) -> bool | None:
    return None if part is None else not part


def truth(keep: Keep, row: Row) -> bool | None:
    match keep:
        case Leaf(conditions=conditions):
            return conjunction([truth_of_condition(c, row) for c in conditions])
        case Not(part):
            return negation(truth(part, row))
        case AllOf(parts):
            return conjunction([truth(part, row) for part in parts])
        case AnyOf(parts):
            known = [truth(part, row) for part in parts]
            return True if True in known else None if None in known else False


def culprit(keep: Keep, row: Row, wanted: bool = True) -> tuple[Condition, bool] | None:
    """First condition that is not what it would have to be, and what that is."""
    match keep:
        case Leaf(conditions=conditions):
            wrong = [c for c in conditions if truth_of_condition(c, row) is not wanted]
            return (wrong[0], wanted) if wrong else None
        case Not(part):
            return culprit(part, row, not wanted)
        case AllOf(parts) | AnyOf(parts):
            return next((found for part in parts if (found := culprit(part, row, wanted))), None)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    column = draw(st.sampled_from(sorted(TYPES)))
    if column == "language":
        return Condition(column, "==", draw(st.sampled_from(["en", "de"])))
    threshold = draw(st.sampled_from([v for v in VALUES[column] if v == v]))
    last_uid = draw(st.none() | st.tuples(st.sampled_from(UIDS), st.sampled_from(UIDS)))
    comparison = draw(st.sampled_from(["==", ">=", "<="] if last_uid is None else [">=", "<="]))
    return Condition(column, comparison, threshold, last_uid)


filters = st.builds(
    lambda name, made: Leaf(name, {}, "1", tuple(made)), st.sampled_from("ABCD"), st.lists(conditions(), min_size=1, max_size=3)
)
trees = st.recursive(
    filters,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(lambda parts: AllOf(tuple(parts)), st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda parts: AnyOf(tuple(parts)), st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=8,
)
tables = st.lists(
    st.fixed_dictionaries(
        {
            **{name: st.none() | st.sampled_from(values) for name, values in VALUES.items()},
            "hi": st.sampled_from(UIDS),
            "lo": st.sampled_from(UIDS),
        }
    ),
    max_size=12,
)


def outcomes(decisions: Decisions) -> list[tuple[object, ...]]:
    names = ("is_kept", "filter", "column", "comparison", "value", "threshold")
    return list(zip(*(getattr(decisions, name).tolist() for name in names), strict=True))


@given(trees, tables)
@settings(max_examples=150, deadline=None)
def test_rows_are_kept_as_the_oracle_says(keep: Keep, table: list[Row]):
    assert decide(keep, rows_of(table)).is_kept.tolist() == [truth(keep, row) is True for row in table]


@given(st.lists(trees, min_size=1, max_size=4), tables)
@settings(max_examples=150, deadline=None)
def test_the_ledger_names_the_first_failing_filter_its_value_and_threshold(parts: list[Keep], table: list[Row]):
    keep = AllOf(tuple(parts))
    for row, (is_kept, name, column, comparison, value, threshold) in zip(
        table, outcomes(decide(keep, rows_of(table))), strict=True
    ):
        if is_kept:
            assert (name, column, comparison, value, threshold) == (None,) * 5
            continue
        first = next(part for part in parts if truth(part, row) is not True)
        condition, wanted = culprit(first, row)
        assert (name, column) == (label(first), condition.column)
        assert comparison == (condition.comparison if wanted else f"not {condition.comparison}")
        is_single = column == "similarity"
        expected = float32(row[column]) if is_single and row[column] is not None else row[column]
        assert value == expected or (value != value and expected != expected)
        assert threshold == (float32(condition.threshold) if is_single else condition.threshold)


@given(trees, tables, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_of_rows_does_not_matter(keep: Keep, table: list[Row], random):
    order = list(range(len(table)))
    random.shuffle(order)
    straight = outcomes(decide(keep, rows_of(table)))
    shuffled = outcomes(decide(keep, rows_of([table[i] for i in order])))
    assert [str(line) for line in shuffled] == [str(straight[i]) for i in order]


@given(trees, tables)
@settings(max_examples=60, deadline=None)
def test_a_tree_and_its_negation_never_keep_the_same_row_nor_an_unmeasured_one(keep: Keep, table: list[Row]):
    rows = rows_of(table)
    kept, negated = decide(keep, rows).is_kept, decide(Not(keep), rows).is_kept
    assert not (kept & negated).any()
    unmeasured = [all(row[name] is None for name in TYPES) for row in table]
    assert not (kept | negated)[np.array(unmeasured, bool)].any()


def single(value: float | int | str | None, kind: pa.DataType) -> Rows:
    return Rows({"x": pa.array([value], kind)}, np.array([5]), np.array([7]))


def leaf(comparison: str, threshold: float | str) -> Leaf:
    return Leaf("filter_x", {}, "1", (Condition("x", comparison, threshold),))


@pytest.mark.parametrize(
    "keep", [leaf(">=", 0.1), Not(leaf(">=", 0.1)), Not(Not(leaf("<=", 0.1))), AnyOf((Not(leaf("==", 1)),))]
)
@pytest.mark.parametrize("value", [None, math.nan])
def test_null_and_nan_pass_neither_a_filter_nor_its_negation(keep: Keep, value: float | None):
    decisions = decide(keep, single(value, pa.float32()))
    assert not decisions.is_kept.any()
    assert (decisions.filter[0], decisions.column[0]) == (label(keep), "x")


@pytest.mark.parametrize(
    ("keep", "comparison"),
    [
        (Not(leaf(">=", 1)), "not >="),
        (Not(Not(leaf("<=", 1))), "<="),
        (AnyOf((Not(leaf(">=", 1)), Not(leaf(">=", 2)))), "not >="),
        (AnyOf((leaf("<=", 1), Not(leaf(">=", 1)))), "<="),
        (Not(AnyOf((leaf("<=", 1), leaf(">=", 3)))), "not >="),
        (Not(AllOf((leaf(">=", 1), leaf(">=", 3)))), "not >="),
        (AllOf((AllOf((Not(leaf(">=", 3)),)),)), "not >="),
    ],
)
def test_a_row_dropped_by_a_composed_filter_has_a_reason(keep: Keep, comparison: str):
    decisions = decide(keep, single(3.0, pa.float64()))
    assert not decisions.is_kept[0]
    assert (decisions.column[0], decisions.comparison[0], decisions.value[0]) == ("x", comparison, 3.0)
    assert decisions.threshold[0] is not None


def test_a_threshold_is_compared_in_the_precision_of_its_column():
    # 0.28 is 0.2800000011920929 as float32 and would drop an equal row if it were compared as float64.
    assert stored_threshold(Condition("x", ">=", 0.28), np.dtype(np.float32)) == 0.2800000011920929
    assert stored_threshold(Condition("x", ">=", 0.28), np.dtype(np.float64)) == 0.28
    assert stored_threshold(Condition("x", ">=", 3), np.dtype(np.int32)) == 3.0
    for comparison in (">=", "<=", "=="):
        assert decide(leaf(comparison, 0.28), single(0.28, pa.float32())).is_kept[0]
    below = np.nextafter(np.float32(0.28), np.float32(0))
    assert not decide(leaf(">=", 0.28), single(float(below), pa.float32())).is_kept[0]


def test_last_uid_decides_between_equal_values_as_unsigned_number():
    uids = [(0, 5), (0, 2**63), (2**63, 0), (2**64 - 1, 2**64 - 1)]
    halves = [np.array(half, np.uint64).view(np.int64) for half in zip(*uids, strict=True)]
    rows = Rows({"x": pa.array([0.5, 0.5, 0.5, 0.9], pa.float32())}, *halves)
    true, false = holds(Condition("x", ">=", 0.5, last_uid=(0, 2**63)), rows)
    assert true.tolist() == [True, True, False, True]
    assert false.tolist() == [False, False, True, False]


def test_labels_of_composed_filters():
    tree = AllOf((leaf(">=", 1), AnyOf((Not(leaf(">=", 1)), AllOf((leaf("<=", 2),))))))
    assert label(tree) == "all(filter_x, any(not(filter_x), all(filter_x)))"


def test_no_rows_give_no_decisions():
    rows = Rows({"x": pa.array([], pa.float32())}, np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert outcomes(decide(AllOf((leaf(">=", 1), Not(leaf("<=", 0)))), rows)) == []


def test_a_missing_column_is_named():
    with pytest.raises(SchemaError, match=r"filters ask for columns \['x'\]; given: \['y'\]"):
        decide(leaf(">=", 1), Rows({"y": pa.array([1.0])}, np.zeros(1, np.int64), np.zeros(1, np.int64)))


def test_a_fraction_without_its_cut_is_refused():
    keep = Leaf("clip_score", {}, "1", (Fraction("x", 0.3, "high", "pool"),))
    with pytest.raises(SchemaError, match="filter 'clip_score' has a fraction without a cut"):
        decide(keep, single(1.0, pa.float32()))


def test_a_tree_is_spelled_with_its_settings():
    length = Leaf("caption_length", {"min_words": 3, "min_chars": None}, "1", ())
    english = Leaf("english_caption", {}, "1", ())
    tree = AllOf((english, AnyOf((length, Not(english)))))
    assert spelled(tree) == "english_caption and any of [caption_length (min_words 3); not english_caption]"
