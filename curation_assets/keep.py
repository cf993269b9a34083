"""Trees of filters: what a subset keeps. `algorithms.decisions` evaluates them."""

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import SchemaError
from .spec import Condition, Fraction, Parameter


@dataclass(frozen=True)
class Leaf:
    """One filter with its settings, and the conditions that they mean."""

    name: str
    parameters: Mapping[str, Parameter]
    version: str
    conditions: tuple[Condition | Fraction, ...]


@dataclass(frozen=True)
class AllOf:
    """Passes when every part passes; the first that does not is the reason."""

    parts: tuple["Keep", ...]


@dataclass(frozen=True)
class AnyOf:
    """Passes when one part passes."""

    parts: tuple["Keep", ...]


@dataclass(frozen=True)
class Not:
    """Passes when the part does not; a NULL inside passes neither way."""

    part: "Keep"


Keep = Leaf | AllOf | AnyOf | Not


def leaves(keep: Keep) -> list[Leaf]:
    """All filters of a tree, left to right."""
    match keep:
        case Leaf():
            return [keep]
        case Not(part):
            return leaves(part)
        case AllOf(parts) | AnyOf(parts):
            return [leaf for part in parts for leaf in leaves(part)]


def columns_of(keep: Keep) -> list[str]:
    """The columns that a tree looks at, left to right, each once."""
    return list(dict.fromkeys(condition.column for leaf in leaves(keep) for condition in leaf.conditions))


def fractions(keep: Keep) -> list[Fraction]:
    """All fractions of a tree, left to right, each once."""
    found = [c for leaf in leaves(keep) for c in leaf.conditions if isinstance(c, Fraction)]
    return list(dict.fromkeys(found))


def with_cuts(keep: Keep, cuts: Mapping[Fraction, Condition]) -> Keep:
    """The same tree with every fraction replaced by the condition that its cut means.

    Raises:
        SchemaError: a fraction has no cut.
    """
    match keep:
        case Leaf():
            missing = [c for c in keep.conditions if isinstance(c, Fraction) and c not in cuts]
            if missing:
                raise SchemaError(f"filter {keep.name!r} needs the cut of {missing[0]}; given: {list(cuts)}")
            conditions = tuple(cuts[c] if isinstance(c, Fraction) else c for c in keep.conditions)
            return Leaf(keep.name, keep.parameters, keep.version, conditions)
        case Not(part):
            return Not(with_cuts(part, cuts))
        case AllOf(parts):
            return AllOf(tuple(with_cuts(part, cuts) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(with_cuts(part, cuts) for part in parts))


def describe(keep: Keep) -> dict[str, object]:
    """A tree as plain JSON values: what a subset's parameters are, for fingerprints and for people."""
    match keep:
        case Leaf():
            return {"filter": keep.name, "version": keep.version, **keep.parameters}
        case Not(part):
            return {"not": describe(part)}
        case AllOf(parts):
            return {"all": [describe(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [describe(part) for part in parts]}
