"""One contract over the folder filters/ and the thresholds of scores: what every filter promises, whoever wrote it."""

import inspect
import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from curation_assets.filters import all_filters
from curation_assets.keep import Leaf, describe
from curation_assets.recipe_keep import known_filters
from curation_assets.scores import all_scores
from curation_assets.spec import Condition, Filter

FOLDER = Path(__file__).parents[2] / "curation_assets" / "filters"
TYPES = {column.name: column for score in all_scores().values() for column in score.columns}

files = pytest.mark.parametrize(("name", "made"), all_filters().items(), ids=list(all_filters()))
known = pytest.mark.parametrize(("name", "made"), known_filters().items(), ids=list(known_filters()))


def test_every_file_of_the_folder_is_registered():
    assert sorted(all_filters()) == sorted({path.stem for path in FOLDER.glob("*.py")} - {"__init__", "threshold"})


@files
def test_one_name_for_module_and_function(name: str, made: Filter):
    assert made.conditions.__name__ == name
    assert import_module(f"curation_assets.filters.{name}").FILTER is made


@files
def test_docstring_and_declaration_give_a_source(name: str, made: Filter):
    docstring = inspect.getdoc(made.conditions)
    assert "\nSource:\n" in docstring
    assert re.search(r"\d{4}", docstring.partition("Source:")[2]), "a source has a year"
    assert made.source.strip()


@known
def test_settings_are_described_and_safe_to_write_beside_name_and_version(name: str, made: Filter):
    parameters = inspect.signature(made.conditions).parameters
    assert parameters
    for parameter in parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty
        (field,) = [m for m in parameter.annotation.__metadata__ if isinstance(m, FieldInfo)]
        assert field.description
    assert not {"filter", "version"} & set(parameters), "describe writes these itself"
    assert re.fullmatch(r"\d+", made.version)
    assert made.summary.endswith(".")


@files
def test_conditions_compare_stored_columns_with_values_of_their_kind(name: str, made: Filter):
    conditions = made.conditions()
    assert conditions
    for condition in conditions:
        assert isinstance(condition, Condition)
        assert condition.column in TYPES
        assert isinstance(condition.threshold, str) is not TYPES[condition.column].is_number
        assert condition.comparison == "==" or TYPES[condition.column].is_number


@files
def test_defaults_are_plain_json(name: str, made: Filter):
    defaults = {p.name: p.default for p in inspect.signature(made.conditions).parameters.values()}
    described = describe(Leaf(name, defaults, made.version, made.conditions()))
    assert json.loads(json.dumps(described, allow_nan=False)) == described
