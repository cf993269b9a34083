"""Reading the `keep` lists of a recipe: names and settings become trees of filters, mistakes become faults."""

import inspect
from collections.abc import Mapping

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from .errors import SchemaError
from .filters import all_filters
from .filters.threshold import threshold_filter
from .instances import Instances, known_columns
from .keep import AllOf, AnyOf, Keep, Leaf, Not
from .scores import all_scores
from .spec import Filter, Shorthand

Location = tuple[int | str, ...]
_DEEPEST_KEEP = 20  # keys on the way to a filter; more than anyone writes, and ends a YAML alias that contains itself


def known_filters() -> dict[str, Filter | Shorthand]:
    """Every name that `keep` understands without labels: the files of filters/, and each numeric column of a score."""
    thresholds = {
        column.name: threshold_filter(score, column.name)
        for score in all_scores().values()
        for column in score.columns
        if column.is_number
    }
    return dict(sorted({**thresholds, **all_filters()}.items()))


def settings_of(declared: Filter | Shorthand) -> Mapping[str, inspect.Parameter]:
    """Settings of a filter, annotated for pydantic."""
    return inspect.signature(declared.conditions if isinstance(declared, Filter) else declared.entries).parameters


def spelled_out(entry: object) -> object:
    """An entry of a keep list with shorthands written out, at any depth; what is not understood stays as it is."""
    name, settings = (entry, {}) if isinstance(entry, str) else (None, None)
    if isinstance(entry, Mapping) and len(entry) == 1:
        name, settings = next(iter(entry.items()))
    if name == "not":
        return {name: spelled_out(settings)}
    if name in ("any", "all") and isinstance(settings, list):
        return {name: [spelled_out(part) for part in settings]}
    declared = known_filters().get(name) if isinstance(name, str) else None
    if not isinstance(declared, Shorthand) or not isinstance(settings or {}, Mapping):
        return entry
    return {"all": [spelled_out(part) for part in declared.entries(**(settings or {}))]}


def fault_line(location: Location, message: str, value: object) -> str:
    """One fault for people: key path, what is wrong or allowed, and the value found."""
    shown = repr(value)
    return f"{'.'.join(str(part) for part in location)}: {message} (found {shown if len(shown) < 80 else shown[:77] + '...'})"


class _Spelled(AllOf):
    """The filters that a shorthand stands for."""


class KeepReader:
    """Reads the keep lists of one recipe; mistakes are added to `faults`."""

    def __init__(self, instances: Instances, faults: list[str]) -> None:
        self._instances, self._faults = instances, faults
        self._known = known_filters()

    def read_list(self, parts: object, location: Location) -> list[Keep]:
        """The entries of a `keep`, `any` or `all` list as trees of filters."""
        if not isinstance(parts, list) or not parts:
            self._faults.append(fault_line(location, "expected a list of filters with at least one entry", parts))
            return []
        read = [self._read(part, (*location, i)) for i, part in enumerate(parts)]
        return [keep for keep in read if keep is not None]

    def read_conjunction(self, parts: object, location: Location) -> list[Keep]:
        """The same where all must pass: the filters that a shorthand stands for take its place, and give their own reasons."""
        found = self.read_list(parts, location)
        return [part for keep in found for part in (keep.parts if isinstance(keep, _Spelled) else [keep])]

    def _read(self, entry: object, location: Location) -> Keep | None:
        """One entry of a keep list: a name, `{name: {settings}}`, `{any: [...]}`, `{all: [...]}` or `{not: entry}`."""
        if len(location) > _DEEPEST_KEEP:
            deep = fault_line(location[:8], "filters are nested too deeply, or a YAML alias contains itself", entry)
            self._faults += [deep] if deep not in self._faults else []
            return None
        name, settings = (entry, {}) if isinstance(entry, str) else (None, None)
        if isinstance(entry, dict) and len(entry) == 1:
            name, settings = next(iter(entry.items()))
        if name == "any":
            return AnyOf(tuple(self.read_list(settings, (*location, name))))
        if name == "all":
            return AllOf(tuple(self.read_conjunction(settings, (*location, name))))
        if name == "not":
            part = self._read(settings, (*location, "not"))
            return None if part is None else Not(part)
        declared = self._declared(name, location) if isinstance(name, str) else None
        if declared is None:
            known = f"unknown filter; known: {', '.join(self._known)}, any, all, not"
            self._faults.append(fault_line(location, known, entry))
            return None
        return self._read_leaf(str(name), declared, settings if settings is not None else {}, location)

    def _declared(self, name: str, location: Location) -> Filter | Shorthand | None:
        """A filter by its name, or the one of a numeric column that this recipe's labels make."""
        if name in self._known:
            return self._known[name]
        try:
            owner = self._instances.owner(name)
        except SchemaError:
            return None
        is_number = owner is not None and any(c.name == name and c.is_number for c in owner.columns)
        return threshold_filter(owner.method, name) if is_number else None

    def _read_leaf(self, name: str, declared: Filter | Shorthand, settings: object, location: Location) -> Keep | None:
        parameters = settings_of(declared)
        fields = {p.name: (p.annotation, p.default) for p in parameters.values()}
        model = create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)
        try:
            values = TypeAdapter(model).validate_python(settings).model_dump()
            if isinstance(declared, Shorthand):
                return _Spelled(tuple(self.read_conjunction(declared.entries(**values), (*location, name))))
            conditions = declared.conditions(**values)
            for condition in conditions:
                if self._instances.owner(condition.column) is None:
                    raise SchemaError(f"no score makes the column {condition.column!r}; known: {', '.join(known_columns())}")
            return Leaf(name, values, declared.version, conditions)
        except ValidationError as error:
            allowed = f"; settings: {', '.join(parameters)}"
            self._faults += [fault_line((*location, name, *e["loc"]), e["msg"] + allowed, e["input"]) for e in error.errors()]
        except SchemaError as error:
            self._faults.append(fault_line((*location, name), str(error), settings))
        return None
