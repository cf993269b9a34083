"""A second, slow reader of `keep` entries, row by row, so that tests of shorthands see what a rule really lets through."""

from collections.abc import Mapping

from curation_assets.recipe_keep import known_filters
from curation_assets.spec import Condition, Shorthand

Row = Mapping[str, float | str | None]


def _holds(condition: Condition, row: Row) -> bool | None:
    value = row[condition.column]
    if value is None:
        return None
    if condition.comparison == "==":
        return value == condition.threshold
    return value >= condition.threshold if condition.comparison == ">=" else value <= condition.threshold


def _all(found: list[bool | None]) -> bool | None:
    return False if False in found else None if None in found else True


def holds(entry: object, row: Row) -> bool | None:
    """Whether a row passes an entry of a `keep` list; None where a NULL leaves it open."""
    name, settings = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
    if name == "all":
        return _all([holds(part, row) for part in settings])
    if name in ("any", "not"):
        parts = settings if name == "any" else [settings]
        found = [holds(part, row) for part in parts]
        turned = _all([None if one is None else not one for one in found])
        return turned if name == "not" or turned is None else not turned
    declared = known_filters()[name]
    if isinstance(declared, Shorthand):
        return _all([holds(part, row) for part in declared.entries(**settings)])
    return _all([_holds(condition, row) for condition in declared.conditions(**settings)])


def passes(entries: list[object], row: Row) -> bool:
    """Whether a row passes all entries of a `keep` list."""
    return _all([holds(entry, row) for entry in entries]) is True
