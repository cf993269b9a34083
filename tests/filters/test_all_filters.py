"""One contract over the folder filters/ and the thresholds of scores: what every filter promises, whoever wrote it."""

import inspect
import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from curation_assets.filters import all_filters
from curation_assets.instances import Instances
from curation_assets.keep import Keep, describe, leaves
from curation_assets.recipe_keep import KeepReader, known_filters, settings_of
from curation_assets.spec import Filter, Fraction, Shorthand

FOLDER = Path(__file__).parents[2] / "curation_assets" / "filters"

files = pytest.mark.parametrize(("name", "made"), all_filters().items(), ids=list(all_filters()))
known = pytest.mark.parametrize(("name", "made"), known_filters().items(), ids=list(known_filters()))


def _function(made: Filter | Shorthand) -> Callable[..., object]:
    return made.conditions if isinstance(made, Filter) else made.entries


def _read(name: str) -> tuple[list[Keep], list[str]]:
    """A filter with its default settings, as a recipe reads it, and the faults found."""
    faults: list[str] = []
    return KeepReader(Instances({}, ()), faults).read_conjunction([name], ("keep",)), faults


# Filters that need something that the recipe has to say: what their message asks for.
ASK_FOR = {"decontaminated": "target", "image_based": "target", "laion_5b": "clip_score_multilingual"}


def test_every_file_of_the_folder_is_registered():
    assert sorted(all_filters()) == sorted({path.stem for path in FOLDER.glob("*.py")} - {"__init__", "threshold"})


@files
def test_one_name_for_module_and_function(name: str, made: Filter):
    assert _function(made).__name__ == name
    assert import_module(f"curation_assets.filters.{name}").FILTER is made


@files
def test_docstring_and_declaration_give_a_source(name: str, made: Filter):
    docstring = inspect.getdoc(_function(made))
    assert "\nSource:\n" in docstring
    assert re.search(r"\d{4}", docstring.partition("Source:")[2]), "a source has a year"
    assert made.source.strip()


@known
def test_settings_are_described_and_safe_to_write_beside_name_and_version(name: str, made: Filter):
    parameters = settings_of(made)
    for parameter in parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty
        (field,) = [m for m in parameter.annotation.__metadata__ if isinstance(m, FieldInfo)]
        assert field.description
    assert not {"filter", "version"} & set(parameters), "describe writes these itself"
    assert re.fullmatch(r"\d+", made.version)
    assert made.summary.endswith(".")


@files
def test_conditions_compare_stored_columns_with_values_of_their_kind(name: str, made: Filter | Shorthand):
    read, faults = _read(name)
    if name in ASK_FOR:
        assert all(ASK_FOR[name] in fault for fault in faults)
        assert faults
        return
    assert faults == []
    conditions = [condition for keep in read for leaf in leaves(keep) for condition in leaf.conditions]
    assert conditions or name == "no_filter"
    for condition in conditions:
        column = next(c for c in Instances({}, ()).owner(condition.column).columns if c.name == condition.column)
        if isinstance(condition, Fraction):
            assert column.is_number
            continue
        assert isinstance(condition.threshold, str) is not column.is_number
        assert condition.comparison == "==" or column.is_number


@files
def test_defaults_are_plain_json(name: str, made: Filter | Shorthand):
    defaults = {p.name: p.default for p in settings_of(made).values()}
    assert json.loads(json.dumps(defaults)) == defaults
    described = [describe(keep) for keep in _read(name)[0]]
    assert json.loads(json.dumps(described)) == described
