"""Writes docs/recipe.md from the recipe's own models: `python docs/recipe_reference.py`. A test keeps the two equal."""

import inspect
import re
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from curation_assets.recipe_keep import known_filters
from curation_assets.recipe_sections import Automation, Clusters, Encoder, FilterNetwork, Pool, RecipeFile, Subset
from curation_assets.scores import all_scores

PAGE = Path(__file__).parent / "recipe.md"
SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("", RecipeFile),
    ("pool", Pool),
    ("encoder", Encoder),
    ("filter_network", FilterNetwork),
    ("clusters", Clusters),
    ("subsets.NAME", Subset),
    ("automation", Automation),
)


def recipe_reference() -> str:
    """The page: every key of the recipe, every filter with its settings, every score with its columns."""
    parts = [
        "# The recipe",
        "Made by `python docs/recipe_reference.py`; do not edit by hand. Paths are relative to the recipe's folder.",
        "## Keys",
        _table(("key", "type", "default", "meaning"), [row for name, model in SECTIONS for row in _keys(name, model)]),
        "## Filters",
        "An entry of `keep` is a name, `{name: {settings}}`, or one of `{any: [...]}`, `{all: [...]}`, `{not: entry}`. A NULL "
        "score never passes, not even inside `not`.",
        _table(("filter", "settings", "what it keeps", "source"), [_filter(name) for name in known_filters()]),
        "## Scores",
        _table(("score", "columns", "what it measures", "source"), [_score(name) for name in all_scores()]),
    ]
    return "\n\n".join(parts) + "\n"


def _keys(section: str, model: type[BaseModel]) -> list[tuple[str, ...]]:
    rows = []
    for name, field in model.model_fields.items():
        path = ".".join(part for part in (section, field.alias or name) if part)
        rows.append((f"`{path}`", _type(field), _default(field), field.description or "section, see below"))
    return rows


_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def _type(field: FieldInfo) -> str:
    limits = [
        f"{sign} {getattr(limit, name)}" for limit in field.metadata for name, sign in _SIGNS.items() if hasattr(limit, name)
    ]
    text = inspect.formatannotation(field.annotation).replace("curation_assets.recipe_sections.", "").replace("typing.", "")
    text = re.sub(r"Annotated\[str, FieldInfo\(.*?\)\]\)\]", "name", text)
    return f"`{text}`" + (f", {', '.join(limits)}" if limits else "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None or isinstance(field.default, BaseModel):
        return ""
    return "" if field.default is PydanticUndefined else f"`{field.default!r}`"


def _filter(name: str) -> tuple[str, ...]:
    declared = known_filters()[name]
    settings = [f"`{p.name}` = `{p.default!r}`" for p in inspect.signature(declared.conditions).parameters.values()]
    return (f"`{name}`", ", ".join(settings), declared.summary, declared.source)


def _score(name: str) -> tuple[str, ...]:
    score = all_scores()[name]
    columns = "; ".join(f"`{c.name}`: {c.meaning}" for c in score.columns)
    return (f"`{name}`", columns, score.summary, score.source)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(recipe_reference(), encoding="utf-8")
