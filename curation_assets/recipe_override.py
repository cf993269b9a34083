"""A recipe with other settings for some of its filters: what `--set filter.param=value` means, checked like the file itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from .errors import ArgumentError, RecipeError
from .keep import leaves
from .recipe import Recipe, SubsetPlan, check_recipe
from .recipe_keep import spelled_out
from .spec import Parameter


@dataclass(frozen=True)
class Setting:
    """A value for one parameter of every filter of a name in a subset, at whatever depth of its `keep`."""

    subset: str
    filter: str
    parameter: str
    value: object


@dataclass(frozen=True)
class ParameterChange:
    """One parameter of one filter before and after; defaults count as given."""

    subset: str
    filter: str
    parameter: str
    old: Parameter
    new: Parameter


def subset_chain(recipe: Recipe, subset: str) -> list[SubsetPlan]:
    """A subset after all the subsets that it narrows, the widest first.

    Raises:
        ArgumentError: there is no such subset.
    """
    plans = {plan.name: plan for plan in recipe.subsets}
    if subset not in plans:
        raise ArgumentError(f"no subset {subset!r} in {recipe.path}; known: {', '.join(plans)}")
    chain = [plans[subset]]
    while chain[0].source is not None:
        chain.insert(0, plans[chain[0].source])
    return chain


def overridden(recipe: Recipe, subset: str, settings: Sequence[str]) -> Recipe:
    """The recipe with other parameters, as if its file had been edited.

    Args:
        recipe: stays as it is.
        subset: whose filters are addressed.
        settings: `filter.parameter=value` for the subset itself, `other_subset.filter.parameter=value` for one that it
            narrows; values are YAML.

    Raises:
        ArgumentError: a setting that cannot be read, is given twice, or names no filter of these subsets; lists all faults.
        RecipeError: the filters do not take such values; the message is the one that the edited file would give.
    """
    chain = subset_chain(recipe, subset)
    if not settings:
        raise ArgumentError(f"nothing to change; give filter.parameter=value, for one or more of:\n{_known(chain)}")
    faults: list[str] = []
    found = [setting for text in settings if (setting := _read(text, chain, faults)) is not None]
    addresses = [(s.subset, s.filter, s.parameter) for s in found]
    faults += [f"{'.'.join(a)} is given more than once" for a in dict.fromkeys(addresses) if addresses.count(a) > 1]
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise ArgumentError(f"cannot set this:\n{listed}\nwhat can be set, with its present value:\n{_known(chain)}")
    content = recipe.file.model_dump(by_alias=True, exclude_unset=True)
    for setting in found:
        section = content["subsets"][setting.subset]
        section["keep"] = [_with_setting(spelled_out(entry), setting) for entry in section["keep"]]
    try:
        return check_recipe(content, recipe.path)
    except RecipeError as error:
        raise RecipeError(f"with {', '.join(settings)}: {error}") from error


def parameter_changes(before: Recipe, after: Recipe) -> list[ParameterChange]:
    """Parameters that differ between a recipe and its overridden form, each once, in the order of the recipe."""
    changes = [
        ParameterChange(old_plan.name, old.name, parameter, old.parameters[parameter], new.parameters[parameter])
        for old_plan, new_plan in zip(before.subsets, after.subsets, strict=True)
        for old, new in zip(leaves(old_plan.keep), leaves(new_plan.keep), strict=True)
        for parameter in old.parameters
        if old.parameters[parameter] != new.parameters[parameter]
    ]
    return list(dict.fromkeys(changes))


def _read(text: str, chain: list[SubsetPlan], faults: list[str]) -> Setting | None:
    """A setting in words as one that names a filter of the chain; mistakes are added to `faults`."""
    address, equals, written = text.partition("=")
    parts = address.strip().split(".")
    if not equals or len(parts) not in (2, 3) or not all(parts):
        faults.append(f"{text!r}: expected filter.parameter=value or subset.filter.parameter=value")
        return None
    subset, name, parameter = parts if len(parts) == 3 else (chain[-1].name, *parts)
    plan = next((plan for plan in chain if plan.name == subset), None)
    if plan is None:
        chained = ", ".join(plan.name for plan in chain)
        faults.append(f"{text!r}: {chain[-1].name!r} narrows no subset {subset!r}; known: {chained}")
        return None
    names = list(dict.fromkeys(leaf.name for leaf in leaves(plan.keep)))
    if name not in names:
        faults.append(f"{text!r}: subset {subset!r} has no filter {name!r}; known: {', '.join(names)}")
        return None
    try:
        value = yaml.safe_load(written)
    except (ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: a date such as 2024-13-45
        faults.append(f"{text!r}: cannot read the value {written!r}: {str(error).partition(chr(10))[0]}")
        return None
    return Setting(subset, name, parameter, value)


def _with_setting(entry: object, setting: Setting) -> object:
    """An entry of a keep list with the setting in it; new objects throughout, since YAML aliases share theirs."""
    if not isinstance(entry, Mapping):
        return {entry: {setting.parameter: setting.value}} if entry == setting.filter else entry
    name, inner = next(iter(entry.items()))
    if name == "not":
        return {name: _with_setting(inner, setting)}
    if name in ("any", "all"):
        return {name: [_with_setting(part, setting) for part in inner]}
    return {name: {**(inner or {}), setting.parameter: setting.value}} if name == setting.filter else entry


def _known(chain: list[SubsetPlan]) -> str:
    """Everything that can be set in a chain of subsets with its present value, the subset itself first."""
    shown = {
        f"  {'' if plan is chain[-1] else f'{plan.name}.'}{leaf.name}.{parameter}={_written(value)}": None
        for plan in reversed(chain)
        for leaf in leaves(plan.keep)
        for parameter, value in leaf.parameters.items()
    }
    return "\n".join(shown)


def _written(value: Parameter) -> str:
    return "null" if value is None else str(value)
