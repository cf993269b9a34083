"""The documentation says what the code does."""

import re
import runpy
from pathlib import Path

from curation_assets.recipe import load_recipe

ROOT = Path(__file__).parents[1]


def test_recipe_reference_is_made_from_the_models() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "recipe_reference.py"))
    page = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert page == script["recipe_reference"](), "run: python docs/recipe_reference.py"


def test_default_recipe_is_valid() -> None:
    recipe = load_recipe(ROOT / "curation.yaml")
    assert [plan.name for plan in recipe.subsets] == ["basic", "aligned", "hard_half"]


def test_readme_names_every_dependency_with_a_reason() -> None:
    declared = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    names = re.findall(r'"([A-Za-z0-9_-]+)', declared[1])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(names) > 10
    assert [name for name in names if f"| `{name}` |" not in readme] == []


def test_readme_links_and_commands_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", readme):
        assert (ROOT / target).exists(), target
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)`?", readme)) - {"and"} <= targets
