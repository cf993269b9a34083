"""Reading the `keep` lists of a recipe: names and settings become trees of filters, mistakes become faults."""

import inspect

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from .errors import SchemaError
from .filters import all_filters
from .filters.threshold import threshold_filter
from .keep import AllOf, AnyOf, Keep, Leaf, Not
from .scores import all_scores
from .spec import Filter

Location = tuple[int | str, ...]
_DEEPEST_KEEP = 20  # keys on the way to a filter; more than anyone writes, and ends a YAML alias that contains itself


def known_filters() -> dict[str, Filter]:
    """Every name that `keep` understands: the files of filters/, and each numeric column of a score."""
    thresholds = {
        column.name: threshold_filter(score, column.name)
        for score in all_scores().values()
        for column in score.columns
        if column.is_number
    }
    return dict(sorted({**thresholds, **all_filters()}.items()))


def fault_line(location: Location, message: str, value: object) -> str:
    """One fault for people: key path, what is wrong or allowed, and the value found."""
    shown = repr(value)
    return f"{'.'.join(str(part) for part in location)}: {message} (found {shown if len(shown) < 80 else shown[:77] + '...'})"


def read_keep_list(parts: object, location: Location, faults: list[str]) -> list[Keep]:
    """The entries of a `keep`, `any` or `all` list as trees of filters; mistakes are added to `faults`."""
    if not isinstance(parts, list) or not parts:
        faults.append(fault_line(location, "expected a list of filters with at least one entry", parts))
        return []
    read = [_read_keep(part, (*location, i), faults) for i, part in enumerate(parts)]
    return [keep for keep in read if keep is not None]


def _read_keep(entry: object, location: Location, faults: list[str]) -> Keep | None:
    """One entry of a keep list: a name, `{name: {settings}}`, `{any: [...]}`, `{all: [...]}` or `{not: entry}`."""
    if len(location) > _DEEPEST_KEEP:
        deep = fault_line(location[:8], "filters are nested too deeply, or a YAML alias contains itself", entry)
        faults += [deep] if deep not in faults else []
        return None
    name, settings = (entry, {}) if isinstance(entry, str) else (None, None)
    if isinstance(entry, dict) and len(entry) == 1:
        name, settings = next(iter(entry.items()))
    if name in ("any", "all"):
        parts = tuple(read_keep_list(settings, (*location, name), faults))
        return AnyOf(parts) if name == "any" else AllOf(parts)
    if name == "not":
        part = _read_keep(settings, (*location, "not"), faults)
        return None if part is None else Not(part)
    known = known_filters()
    if not isinstance(name, str) or name not in known:
        faults.append(fault_line(location, f"unknown filter; known: {', '.join(known)}, any, all, not", entry))
        return None
    return _read_leaf(name, known[name], settings if settings is not None else {}, location, faults)


def _read_leaf(name: str, declared: Filter, settings: object, location: Location, faults: list[str]) -> Leaf | None:
    parameters = inspect.signature(declared.conditions).parameters
    fields = {p.name: (p.annotation, p.default) for p in parameters.values()}
    model = create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)
    try:
        values = TypeAdapter(model).validate_python(settings).model_dump()
        return Leaf(name, values, declared.version, declared.conditions(**values))
    except ValidationError as error:
        allowed = f"; settings: {', '.join(parameters)}"
        faults += [fault_line((*location, name, *e["loc"]), e["msg"] + allowed, e["input"]) for e in error.errors()]
    except SchemaError as error:
        faults.append(fault_line((*location, name), str(error), settings))
    return None
