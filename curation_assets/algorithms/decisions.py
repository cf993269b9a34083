"""Trees of filters evaluated over score columns, with the reason of every row that is dropped.

Three-valued logic: a NULL or NaN neither passes nor fails a condition, so `not` does not turn an unmeasured row into a
kept one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.errors import SchemaError
from curation_assets.keep import AllOf, AnyOf, Keep, Leaf, Not, columns_of
from curation_assets.spec import Condition, Fraction


@dataclass(frozen=True)
class Rows:
    """The rows to decide on: n values per score column, and uids for exact fractions (int64 halves, shape (n,))."""

    columns: Mapping[str, pa.Array]
    uid_hi: np.ndarray
    uid_lo: np.ndarray


@dataclass
class Decisions:
    """One decision per row: kept or not, and of a dropped row the first filter that dropped it.

    `is_kept` is bool of shape (n,); the other arrays are objects of shape (n,), None where they do not apply.
    """

    is_kept: np.ndarray
    filter: np.ndarray = field(init=False)
    column: np.ndarray = field(init=False)
    comparison: np.ndarray = field(init=False)
    value: np.ndarray = field(init=False)
    threshold: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        for name in ("filter", "column", "comparison", "value", "threshold"):
            setattr(self, name, np.full(len(self.is_kept), None, dtype=object))


def decide(keep: Keep, rows: Rows) -> Decisions:
    """Evaluate a tree of filters on rows.

    Args:
        keep: the tree; fractions already replaced by their cuts.
        rows: needs every column that the tree names.

    Returns:
        Decisions in row order.

    Raises:
        SchemaError: a column is missing, or a fraction has not been resolved.
    """
    wanted = set(columns_of(keep))
    if wanted - set(rows.columns):
        raise SchemaError(f"filters ask for columns {sorted(wanted - set(rows.columns))}; given: {sorted(rows.columns)}")
    passes, _ = _evaluate(keep, rows)
    decisions = Decisions(passes)
    open_rows = ~passes
    for part in keep.parts if isinstance(keep, AllOf) else (keep,):
        dropped_here = open_rows & ~_evaluate(part, rows)[0]
        if dropped_here.any():
            _explain(part, np.flatnonzero(dropped_here), rows, decisions)
        open_rows &= ~dropped_here
    return decisions


def passes(keep: Keep, rows: Rows) -> np.ndarray:
    """Where a tree passes, bool of shape (n,); `decide` tells the reasons too.

    Raises:
        SchemaError: a fraction has not been resolved.
    """
    return _evaluate(keep, rows)[0]


def label(keep: Keep) -> str:
    """Name of a tree for people: `any(clip_score, not(image_size))`."""
    match keep:
        case Leaf():
            return keep.name
        case Not(part):
            return f"not({label(part)})"
        case AllOf(parts):
            return f"all({', '.join(label(part) for part in parts)})"
        case AnyOf(parts):
            return f"any({', '.join(label(part) for part in parts)})"


def spelled(keep: Keep) -> str:
    """A tree with its settings, for descriptions: `english_caption and image_size (min_side_px 64)`."""
    match keep:
        case Leaf():
            settings = ", ".join(f"{name} {value}" for name, value in keep.parameters.items() if value is not None)
            return f"{keep.name} ({settings})" if settings else keep.name
        case Not(part):
            return f"not {spelled(part)}"
        case AllOf(parts):
            return " and ".join(spelled(part) for part in parts)
        case AnyOf(parts):
            return f"any of [{'; '.join(spelled(part) for part in parts)}]"


def holds(condition: Condition, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Where a condition is known to be true, and where it is known to be false; bool of shape (n,) each."""
    column = rows.columns[condition.column]
    known = pc.is_valid(column).to_numpy(zero_copy_only=False)
    if isinstance(condition.threshold, str):
        true = pc.fill_null(pc.equal(column, condition.threshold), False).to_numpy(zero_copy_only=False)
        return true, known & ~true
    value = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    if np.issubdtype(value.dtype, np.floating):
        known &= ~np.isnan(value)
    threshold = stored_threshold(condition, value.dtype)
    match condition.comparison:
        case "==":
            true = value == threshold
        case ">=":
            true = value >= threshold
        case "<=":
            true = value <= threshold
    if condition.last_uid is not None:
        hi, lo = rows.uid_hi.view(np.uint64), rows.uid_lo.view(np.uint64)
        last_hi, last_lo = (np.uint64(half) for half in condition.last_uid)
        true &= (value != threshold) | (hi < last_hi) | ((hi == last_hi) & (lo <= last_lo))
    true &= known
    return true, known & ~true


def stored_threshold(condition: Condition, dtype: np.dtype) -> float:
    """The threshold as it is compared: in the column's own precision, so that 0.28 means the same float32 everywhere."""
    return float(dtype.type(condition.threshold)) if np.issubdtype(dtype, np.floating) else float(condition.threshold)


def _evaluate(keep: Keep, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Where the tree is known to be true, and where it is known to be false."""
    match keep:
        case Leaf():
            if any(isinstance(condition, Fraction) for condition in keep.conditions):
                raise SchemaError(f"filter {keep.name!r} has a fraction without a cut; resolve it with spec.with_cuts")
            parts = [holds(condition, rows) for condition in keep.conditions]
            return _conjunction(parts, len(rows.uid_hi))
        case Not(part):
            true, false = _evaluate(part, rows)
            return false, true
        case AllOf(parts):
            return _conjunction([_evaluate(part, rows) for part in parts], len(rows.uid_hi))
        case AnyOf(parts):
            false, true = _conjunction([_evaluate(Not(part), rows) for part in parts], len(rows.uid_hi))
            return true, false


def _conjunction(parts: list[tuple[np.ndarray, np.ndarray]], n: int) -> tuple[np.ndarray, np.ndarray]:
    true, false = np.ones(n, bool), np.zeros(n, bool)
    for part_true, part_false in parts:
        true, false = true & part_true, false | part_false
    return true, false


def _explain(part: Keep, where: np.ndarray, rows: Rows, decisions: Decisions) -> None:
    """Write the reason of dropped rows: of a composed part, the first leaf that kept it from passing."""
    decisions.filter[where] = label(part)
    for leaf, is_negated in literals(part):
        for condition in leaf.conditions:
            true, false = (mask[where] for mask in holds(condition, rows))
            unexplained = np.equal(decisions.column[where], None)
            here = where[unexplained & (~false if is_negated else ~true)]
            if not len(here):
                continue
            column = rows.columns[condition.column].take(pa.array(here))
            decisions.column[here] = condition.column
            decisions.comparison[here] = f"not {condition.comparison}" if is_negated else condition.comparison
            decisions.value[here] = column.to_pylist()
            is_text = isinstance(condition.threshold, str)
            decisions.threshold[here] = condition.threshold if is_text else stored_threshold(condition, _dtype(column))


def literals(keep: Keep, is_negated: bool = False) -> list[tuple[Leaf, bool]]:
    """The leaves of a tree, each with whether it counts as its negation once every `not` is pushed down to the leaves."""
    match keep:
        case Leaf():
            return [(keep, is_negated)]
        case Not(part):
            return literals(part, not is_negated)
        case AllOf(parts) | AnyOf(parts):
            return [literal for part in parts for literal in literals(part, is_negated)]


def _dtype(column: pa.Array) -> np.dtype:
    return np.dtype(column.type.to_pandas_dtype())
