"""What there is to curate with: every score and filter with its settings, for the command line and the documentation."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from .errors import ArgumentError
from .recipe_keep import known_filters, settings_of
from .scores import all_scores
from .spec import Shorthand

_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@dataclass(frozen=True)
class Setting:
    """One parameter of a method: its default, what is allowed, and its meaning with the unit."""

    name: str
    default: object
    allowed: str
    meaning: str


@dataclass(frozen=True)
class Method:
    """A score or a filter.

    Args:
        kind: score, filter, or threshold: the filter that every numeric column of a score has under its own name.
        name: file of scores/ or filters/, or the column.
        summary: one line.
        scope: of a score, the rows that it needs together: sample, cluster or pool.
        columns: of a score, what it makes, by name with the meaning.
        settings: parameters.
        source: paper, or reference code.
        stands_for: of a shorthand, the entries that it is written out as, with its default settings.
    """

    kind: Literal["score", "filter", "threshold"]
    name: str
    summary: str
    scope: str
    columns: Mapping[str, str]
    settings: tuple[Setting, ...]
    source: str
    stands_for: tuple[object, ...] = ()


def all_methods() -> list[Method]:
    """Scores first, then filters, in alphabetical order each."""
    scores = [
        Method(
            "score",
            name,
            score.summary,
            score.scope,
            {column.name: column.meaning for column in score.columns},
            described(score.settings),
            score.source,
        )
        for name, score in all_scores().items()
    ]
    thresholds = {column.name for score in all_scores().values() for column in score.columns}
    filters = [
        Method(
            "threshold" if name in thresholds and declared.summary.startswith("Keep values in a range") else "filter",
            name,
            declared.summary,
            "",
            {},
            described(settings_of(declared)),
            declared.source,
            tuple(declared.entries()) if isinstance(declared, Shorthand) else (),
        )
        for name, declared in known_filters().items()
    ]
    return [*scores, *filters]


def matching(methods: list[Method], words: Sequence[str]) -> list[Method]:
    """Methods with one of the words in their name or summary; all where there is none.

    Raises:
        ArgumentError: there is no such method.
    """
    wanted = [word.casefold() for word in words]
    found = [m for m in methods if not wanted or any(word in f"{m.name} {m.summary}".casefold() for word in wanted)]
    if not found:
        names = ", ".join(dict.fromkeys(m.name for m in methods if m.kind != "threshold"))
        raise ArgumentError(f"no score or filter with {' or '.join(words)}; known: {names}")
    return found


def described(parameters: Mapping[str, inspect.Parameter]) -> tuple[Setting, ...]:
    """Parameters that are annotated for pydantic, in words."""
    return tuple(_described(parameter) for parameter in parameters.values())


def _described(parameter: inspect.Parameter) -> Setting:
    kind, *marks = get_args(parameter.annotation) if hasattr(parameter.annotation, "__metadata__") else [parameter.annotation]
    fields = [mark for mark in marks if isinstance(mark, FieldInfo)]
    limits = [
        f"{sign} {getattr(limit, name)}"
        for found in fields
        for limit in found.metadata
        for name, sign in _SIGNS.items()
        if hasattr(limit, name)
    ]
    words = [" | ".join(map(repr, get_args(kind))) if get_origin(kind) is Literal else inspect.formatannotation(kind)]
    return Setting(
        parameter.name, parameter.default, ", ".join([*words, *limits]), next((f.description or "" for f in fields), "")
    )
