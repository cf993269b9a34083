"""Writes docs/recipe.md from the recipe's own models: `python docs/recipe_reference.py`. A test keeps the two equal."""

import inspect
import re
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from curation_assets.methods import Method, all_methods
from curation_assets.recipe_sections import Clusters, Encoder, FilterNetwork, Pool, RecipeFile, Subset, Target
from curation_assets.section import AuditTimes, Automation

PAGE = Path(__file__).parent / "recipe.md"
SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("", RecipeFile),
    ("pool", Pool),
    ("encoder", Encoder),
    ("filter_network", FilterNetwork),
    ("clusters", Clusters),
    ("targets.NAME", Target),
    ("subsets.NAME", Subset),
    ("automation", Automation),
    ("audit", AuditTimes),
)


def recipe_reference() -> str:
    """The page: every key of the recipe, every filter with its settings, every score with its columns."""
    methods = all_methods()
    parts = [
        "# The recipe",
        "Made by `python docs/recipe_reference.py`; do not edit by hand. Paths are relative to the recipe's folder.",
        "## Keys",
        _table(("key", "type", "default", "meaning"), [row for name, model in SECTIONS for row in _keys(name, model)]),
        "## Filters",
        "An entry of `keep` is a name, `{name: {settings}}`, or one of `{any: [...]}`, `{all: [...]}`, `{not: entry}`. A NULL "
        "score never passes, not even inside `not`.",
        _table(("filter", "settings", "what it keeps", "source"), [_filter(m) for m in methods if m.kind == "filter"]),
        "Every numeric column of a score is a filter under its own name, too, with these settings:",
        _table(("settings",), [(_settings(next(m for m in methods if m.kind == "threshold")),)]),
        "## Scores",
        _table(
            ("score", "rows needed together", "columns", "settings", "what it measures", "source"),
            [_score(m) for m in methods if m.kind == "score"],
        ),
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
    text = (
        inspect.formatannotation(field.annotation)
        .replace("curation_assets.recipe_sections.", "")
        .replace("curation_assets.section.", "")
        .replace("typing.", "")
    )
    text = re.sub(r"Annotated\[str, FieldInfo\(.*?\)\]\)\]", "name", text)
    return f"`{text}`" + (f", {', '.join(limits)}" if limits else "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None or isinstance(field.default, BaseModel):
        return ""
    return "" if field.default is PydanticUndefined else f"`{field.default!r}`"


def _filter(method: Method) -> tuple[str, ...]:
    return (f"`{method.name}`", _settings(method), method.summary, method.source)


def _score(method: Method) -> tuple[str, ...]:
    columns = "; ".join(f"`{name}`: {meaning}" for name, meaning in method.columns.items())
    return (f"`{method.name}`", method.scope, columns, _settings(method), method.summary, method.source)


def _settings(method: Method) -> str:
    return "; ".join(f"`{s.name}` = `{s.default!r}` ({s.allowed}): {s.meaning}" for s in method.settings)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(recipe_reference(), encoding="utf-8")
