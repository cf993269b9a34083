"""Two sets of rows compared: which rows came and went, and which change of filters, cuts or scores was the cause. Pure.

Of a row that one side keeps and the other drops, the dropping side's first failing filter is asked what it would do with the
keeping side's values. If it drops those too, its conditions are the cause; if not, the values are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.decisions import Rows, label, literals, passes
from curation_assets.algorithms.identity import Halves
from curation_assets.keep import AllOf, Keep, Leaf, Not, columns_of
from curation_assets.spec import Condition, Fraction

from .causes import Cause, Plain, from_to

# Why a column's values differ between the sides, in words, or nothing: of these rows, or of any in the pool (True).
Reason = Callable[[str, bool], str]
_STALE = "the stored scores do not say so; a side is out of date (curate apply)"


@dataclass(frozen=True)
class Stage:
    """A subset of a chain: its filters as the recipe has them, and with every fraction replaced by its cut.

    `populations` are the rows that each fraction was taken of.
    """

    subset: str
    source: str | None
    keep: AllOf
    resolved: AllOf
    populations: Mapping[Fraction, int] = field(default_factory=dict)

    def parts(self, name: str) -> list[tuple[Keep, Keep]]:
        """Filters of a name as the ledger tells it, with fractions and with their cuts."""
        pairs = zip(self.keep.parts, self.resolved.parts, strict=True)
        return [(keep, resolved) for keep, resolved in pairs if label(keep) == name]


@dataclass(frozen=True)
class Sides:
    """n rows that one side keeps and the other drops in a filter: that filter's subset on both sides, and the values there.

    Args:
        keeping: subset on the side that keeps the rows.
        dropping: subset on the side that drops them.
        filter: name of the filter in the dropping side's ledger.
        kept: values on the keeping side, of all columns that its filters of that name look at.
        dropped: values on the dropping side, likewise.
    """

    keeping: Stage
    dropping: Stage
    filter: str
    kept: Rows
    dropped: Rows


def places(have: Halves, wanted: Halves) -> np.ndarray:
    """Where each wanted uid is first among those at hand, int64 of shape (wanted,); -1 where it is not.

    Example:
        >>> zeros = np.zeros(3, np.int64)
        >>> places((np.array([7, 5, 7]), zeros), (np.array([7, 8]), zeros[:2])).tolist()
        [0, -1]
    """
    found = pc.index_in(_whole(wanted), value_set=_whole(have))
    return found.fill_null(-1).to_numpy().astype(np.int64)


def only_in(a: Halves, b: Halves) -> np.ndarray:
    """Indices of the rows of `a` whose uid is not in `b`, ascending; of a uid that `a` has twice the first."""
    missing = np.flatnonzero(places(b, a) < 0)
    own = (a[0][missing], a[1][missing])
    return missing[places(own, own) == np.arange(len(missing))]


def counterpart(keeping: Sequence[Stage], dropping: Sequence[Stage], subset: str) -> Stage | None:
    """The subset on the keeping side that stands for one of the dropping side: that of its name, or last for last."""
    names = {stage.subset: stage for stage in keeping}
    if subset in names:
        return names[subset]
    ends_apart = keeping[-1].subset not in {stage.subset for stage in dropping}
    return keeping[-1] if subset == dropping[-1].subset and ends_apart else None


def structural_cause(
    keeping: Sequence[Stage], dropping: Sequence[Stage], at: tuple[str, str], *, is_added: bool
) -> Cause | None:
    """The cause of rows dropped in a subset and filter (`at`) that the keeping side has not got; None if it has both."""
    subset, name = at
    found = counterpart(keeping, dropping, subset)
    if found is None:
        place = [stage.subset for stage in dropping].index(subset)
        for below in dropping[place + 1 :]:
            other = counterpart(keeping, dropping, below.subset)
            if other is not None and other.source != below.source:
                sources = from_to(below.source or "raw_pool", other.source or "raw_pool", is_added=is_added)
                return Cause("source_changed", below.subset, **sources)
    if found is None or not found.parts(name):
        return _absent(subset, name, is_added=is_added)
    return None


def filter_causes(sides: Sides, reason: Reason, *, is_added: bool) -> tuple[list[Cause], np.ndarray]:
    """The cause of each of n rows that one side's filter drops, and that the other side with that filter keeps.

    Returns:
        Causes, each once, and the number of the cause of each row, int64 of shape (n,).
    """
    codes = np.full(len(sides.kept.uid_hi), -1)
    causes: list[Cause] = []

    def assign(cause: Cause, where: np.ndarray) -> None:
        if where.any():
            causes.append(cause) if cause not in causes else None
            codes[where] = causes.index(cause)

    others = sides.keeping.parts(sides.filter)
    for i, part in enumerate(sides.dropping.parts(sides.filter)):
        here = (codes < 0) & ~passes(part[1], sides.dropped)
        if i >= len(others):
            assign(_absent(sides.dropping.subset, sides.filter, is_added=is_added), here)
            continue
        for cause, where in _of_part(sides, (part, others[i]), reason, is_added=is_added):
            assign(cause, here & (codes < 0) & where)
    assign(Cause("out_of_date", sides.dropping.subset, sides.filter, detail=_STALE), codes < 0)
    return causes, codes


_Pair = tuple[Keep, Keep]  # a filter with fractions, and with cuts
_Leaf = tuple[Leaf, Leaf]


def _of_part(sides: Sides, pair: tuple[_Pair, _Pair], reason: Reason, *, is_added: bool) -> list[tuple[Cause, np.ndarray]]:
    """Causes that a filter of the same name on both sides can be, each with where it is one; the first that is counts."""
    (keep, resolved), (other_keep, other) = pair
    everywhere = np.ones(len(sides.kept.uid_hi), bool)
    if not _same_kinds(sides, columns_of(resolved)):
        versions = from_to(_versions(resolved), _versions(other), is_added=is_added)
        return [(Cause("filter_changed", sides.dropping.subset, sides.filter, **versions), everywhere)]
    is_condition = ~passes(resolved, sides.kept)
    found = []
    trees = (literals(keep), literals(resolved), literals(other_keep), literals(other))
    for (raw, negated), (mine, _), (other_raw, _), (theirs, _) in zip(*trees, strict=True):
        moved = is_condition & passes(_literal(theirs, negated), sides.kept) & ~passes(_literal(mine, negated), sides.kept)
        choices = ((raw, mine), (other_raw, theirs))
        conditions = _of_condition(sides, choices, reason, negated=negated, is_added=is_added)
        found += [(cause, moved & where) for cause, where in conditions]
        passed = passes(_literal(mine, negated), sides.kept) & ~passes(_literal(mine, negated), sides.dropped)
        found += [(c, ~is_condition & passed & where) for c, where in _of_values(sides, mine, reason, negated=negated)]
    return found


def _of_condition(
    sides: Sides, pair: tuple[_Leaf, _Leaf], reason: Reason, *, negated: bool, is_added: bool
) -> list[tuple[Cause, np.ndarray]]:
    """How a leaf of the dropping side differs from that of the keeping one, by the condition that decides."""
    (mine, resolved), (theirs, other) = pair
    place = (sides.dropping.subset, mine.name)
    changed = [name for name in mine.parameters if mine.parameters[name] != theirs.parameters.get(name)]
    raw, deciding = (theirs, other) if negated else (mine, resolved)
    found = []
    for i, condition in enumerate(deciding.conditions):
        fails = ~passes(Leaf(mine.name, {}, "", (condition,)), sides.kept)
        if changed:
            name = next((p for p in changed if raw.parameters.get(p) == _number(raw.conditions[i])), changed[0])
            values = from_to(mine.parameters[name], theirs.parameters.get(name), is_added=is_added)
            cause = Cause("parameter", *place, condition.column, name, **values)
        elif mine.version != theirs.version or not isinstance(raw.conditions[i], Fraction):
            cause = Cause("filter_changed", *place, **from_to(mine.version, theirs.version, is_added=is_added))
        else:
            cause = _moved_cut(sides, pair, i, reason, is_added=is_added)
        found.append((cause, fails))
    return found


def _moved_cut(sides: Sides, pair: tuple[_Leaf, _Leaf], i: int, reason: Reason, *, is_added: bool) -> Cause:
    """A fraction, condition i of a leaf, whose last row is another one."""
    mine, theirs = pair
    cuts = from_to(_threshold(mine[1].conditions[i]), _threshold(theirs[1].conditions[i]), is_added=is_added)
    sizes = (sides.dropping.populations.get(mine[0].conditions[i]), sides.keeping.populations.get(theirs[0].conditions[i]))
    population = from_to(*sizes, is_added=is_added)
    detail = f"its population changed: {population['old']} -> {population['new']} rows"
    column = mine[1].conditions[i].column
    if sizes[0] == sizes[1]:
        detail = reason(column, True) or "its population has other rows"
    return Cause("cut_moved", sides.dropping.subset, mine[0].name, column, detail=detail, **cuts)


def _of_values(sides: Sides, leaf: Leaf, reason: Reason, *, negated: bool) -> list[tuple[Cause, np.ndarray]]:
    """The columns of a leaf whose values decide otherwise on the two sides."""
    found = []
    for condition in leaf.conditions:
        one = _literal(Leaf(leaf.name, {}, "", (condition,)), negated)
        differs = passes(one, sides.kept) & ~passes(one, sides.dropped)
        missing = pc.is_null(sides.dropped.columns[condition.column], nan_is_null=True).to_numpy(zero_copy_only=False)
        for kind, where in (("score_missing", missing), ("score_changed", ~missing)):
            if (differs & where).any():
                detail = reason(condition.column, False) or None
                cause = Cause(kind, sides.dropping.subset, sides.filter, condition.column, detail=detail)
                found.append((cause, differs & where))
    return found


def _whole(uids: Halves) -> pa.Array:
    """Uids as one array of 16 bytes each, for Arrow's hashes: 20 times as fast as sorting the halves (1 million uids)."""
    halves = np.stack([np.asarray(half, np.int64) for half in uids], axis=1)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(halves), [None, pa.py_buffer(halves.tobytes())])


def _literal(leaf: Leaf, negated: bool) -> Keep:
    return Not(leaf) if negated else leaf


def _absent(subset: str, name: str, *, is_added: bool) -> Cause:
    return Cause("filter_removed" if is_added else "filter_added", subset, name)


def _same_kinds(sides: Sides, columns: Sequence[str]) -> bool:
    """Whether both sides have the columns, as numbers or as texts on both."""
    if not all({*columns} <= {*side.columns} for side in (sides.kept, sides.dropped)):
        return False
    kinds = [[pa.types.is_string(side.columns[name].type) for name in columns] for side in (sides.kept, sides.dropped)]
    return kinds[0] == kinds[1]


def _versions(keep: Keep) -> str:
    return ",".join(leaf.version for leaf, _ in literals(keep))


def _number(condition: Condition | Fraction) -> Plain:
    return condition.fraction if isinstance(condition, Fraction) else condition.threshold


def _threshold(condition: Condition | Fraction) -> Plain:
    """The cut, None where nothing passes."""
    number = _number(condition)
    return None if isinstance(number, float) and not np.isfinite(number) else number
