"""Scores and summaries with the settings that a recipe gives them, and where their inputs come from.

A method without a label has the column names of its file, and its default settings, or those that the recipe's section
`scores` gives under `default`. With any other label, which that section gives or a filter implies
(`semdedup_similarity_easy`), its name and columns end in `_label`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from pydantic import ConfigDict, ValidationError, create_model

from .algorithms.preference import preference_columns
from .errors import SchemaError
from .scores import all_scores
from .spec import Outside, Parameter, Score, Summary, Values
from .summaries import all_summaries
from .tables import CENTROIDS, MEASURED, TARGET_EMBEDDINGS, Column, Key

Whole = np.ndarray | dict[str, np.ndarray]
# Small tables that a method gets as a whole, by the name of its parameter.
_WHOLE = {"centroids": CENTROIDS, "target_embedding": TARGET_EMBEDDINGS}
DEFAULT = "default"
_KEYS = ("shard", "reason", "key")


@dataclass(frozen=True)
class Source:
    """Where an input comes from: columns of a sharded table, or a small table as a whole (no columns)."""

    key: Key
    columns: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.columns


@dataclass(frozen=True)
class Instance:
    """A score or summary with its settings.

    Args:
        key: asset.
        method: as its file declares it.
        columns: what it makes, with the names that it has here.
        settings: by keyword-only parameter.
        sources: by positional parameter, in that order.
    """

    key: Key
    method: Score | Summary
    columns: tuple[Column, ...]
    settings: Mapping[str, Parameter]
    sources: Mapping[str, Source]

    @property
    def name(self) -> str:
        return self.key[-1]

    @property
    def outside(self) -> dict[str, str]:
        """Files and folders outside the lake that it reads, by setting; relative to the recipe's folder."""
        marked = [name for name, p in self.method.settings.items() if any(isinstance(a, Outside) for a in _marks(p))]
        return {name: str(self.settings[name]) for name in marked if self.settings[name] is not None}

    def bound(self, whole: Mapping[str, Whole], settings: Mapping[str, Parameter]) -> Score:
        """The score with everything but its per-row columns filled in.

        Args:
            whole: small tables by parameter.
            settings: in place of its own, such as absolute paths.

        Raises:
            TypeError: it is a summary.
        """
        if not isinstance(self.method, Score):
            raise TypeError(f"{self.name} is no score")
        values = {**self.settings, **settings}
        if self.columns == self.method.columns and not whole and not values:
            return self.method
        names = {own.name: here.name for own, here in zip(self.method.columns, self.columns, strict=True)}
        update = self.method.update and self._filled(self.method.update, names, (whole, values))
        return replace(
            self.method, compute=self._filled(self.method.compute, names, (whole, values)), columns=self.columns, update=update
        )

    def _filled(
        self,
        function: Callable[..., Values | dict[str, Values]],
        names: Mapping[str, str],
        given: tuple[Mapping[str, Whole], Mapping[str, Parameter]],
    ) -> Callable[..., dict[str, Values]]:
        whole, values = given
        rows = [name for name in self.method.inputs if name not in whole]

        def compute(*columns: object) -> dict[str, Values]:
            by_name = dict(zip(rows, columns[: len(rows)], strict=True)) | whole
            known = columns[len(rows) :]  # of an update: the former columns, and which rows are new
            if known:
                known = ({own: known[0][here] for own, here in names.items()}, known[1])
            made = function(*(by_name[name] for name in self.method.inputs), *known, **values)
            made = made if isinstance(made, dict) else {self.method.columns[0].name: made}
            return {names.get(name, name): column for name, column in made.items()}

        compute.__name__ = self.name
        compute.__doc__ = function.__doc__
        compute.__signature__ = inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in rows])
        return compute


class Instances:
    """The instances of a recipe, each made when it is first asked for."""

    def __init__(self, sections: Mapping[str, Mapping[str, Mapping[str, object]]], targets: tuple[str, ...]) -> None:
        """Args: settings by method and label, as in the recipe's section `scores`; names of its target sets."""
        self._given = {
            (method, "" if label == DEFAULT else label): given
            for method, labels in sections.items()
            for label, given in labels.items()
        }
        self._targets = targets
        self._made: dict[Key, Instance] = {}
        self._begun: list[str] = []

    def score(self, method: str, label: str = "") -> Instance:
        """A score by its file's name and its label.

        Raises:
            SchemaError: no such score, wrong settings, or inputs that this recipe has not.
        """
        key = ("scores", f"{method}_{label}" if label else method)
        if key not in self._made:
            if method not in all_scores():
                raise SchemaError(f"unknown score {method!r}; known: {', '.join(all_scores())}")
            score = all_scores()[method]
            implied = {score.label: label} if label and score.label else {}
            given = self._given.get((method, label), implied)
            self._made[key] = self._instance(key, score, given, f"_{label}" if label else "")
        return self._made[key]

    def owner(self, column: str) -> Instance | None:
        """The score that makes a column; None if no score of this recipe does.

        Raises:
            SchemaError: a score would, but not with this recipe's settings.
        """
        labels: list[tuple[int, str, str]] = []
        for method, score in all_scores().items():
            for own in score.columns:
                if own.name == column:
                    return self.score(method)
                label = column.removeprefix(f"{own.name}_")
                if label != column and ((method, label) in self._given or score.label):
                    labels.append((len(label), method, label))
        if not labels:
            return None
        explicit = [found for found in labels if found[1:] in self._given]
        _, method, label = min(explicit or labels)
        return self.score(method, label)

    def required(self) -> list[Instance]:
        """Scores that are made whether a subset filters by them or not.

        Raises:
            SchemaError: one of them has wrong settings.
        """
        named = [self.score(method, label) for method, label in self._given if label]
        always = [n for n, score in all_scores().items() if score.scope == "sample" and not score.is_on_demand]
        return [*(self.score(name) for name in always), *named]

    def made(self, key: Key) -> Instance | None:
        """An instance that has been asked for, by its asset."""
        return self._made.get(key)

    def _instance(self, key: Key, method: Score | Summary, given: Mapping[str, object], suffix: str) -> Instance:
        if key[-1] in self._begun:
            raise SchemaError(f"scores need each other in a circle: {' -> '.join([*self._begun, key[-1]])}")
        settings = _checked(key[-1], method, given)
        self._begun.append(key[-1])
        try:
            sources = {name: self._source(name, method, settings) for name in method.inputs}
        except SchemaError as error:
            raise SchemaError(f"score {key[-1]!r} {error}" if str(error).startswith("asks") else str(error)) from error
        finally:
            self._begun.pop()
        columns = tuple(replace(column, name=column.name + suffix) for column in method.columns)
        return Instance(key, method, columns, settings, sources)

    def _source(self, name: str, method: Score | Summary, settings: Mapping[str, Parameter]) -> Source:
        if name == "preference":
            return self._columns(preference_columns(str(settings["prefer"])), f"prefer {settings['prefer']!r}")
        if name == "target_embedding":
            return Source(("targets", self._target(settings["target"])))
        if name in _WHOLE:
            return Source((name,))
        if name in all_summaries():
            return Source(self._summary(name, settings).key)
        column = str(settings[method.named_by[name]]) if name in method.named_by else name
        return self._columns((column,), f"{column!r}")

    def _columns(self, columns: tuple[str, ...], asked: str) -> Source:
        for asset, table in MEASURED.items():
            if set(columns) <= set(table.names) - set(_KEYS):
                return Source((asset,), columns)
        found = self.owner(columns[0])
        if found is None:
            raise SchemaError(f"asks for {asked}, but there is no such column; known: {', '.join(known_columns())}")
        return Source(found.key, columns)

    def _target(self, target: Parameter) -> str:
        if target not in self._targets:
            known = ", ".join(self._targets) or "none; give some under `targets`"
            raise SchemaError(f"asks for the target set {target!r}; known: {known}")
        return str(target)

    def _summary(self, name: str, settings: Mapping[str, Parameter]) -> Instance:
        """A summary with the settings that it shares with the score that reads it."""
        method = all_summaries()[name]
        given = {setting: settings[setting] for setting in method.settings if setting in settings}
        other = [str(given[s]) for s, p in method.settings.items() if s in given and given[s] != p.default]
        key = ("summaries", "_".join([name, *(_word(value) for value in other)]))
        if key not in self._made:
            self._made[key] = self._instance(key, method, given, "")
        return self._made[key]


def known_columns() -> list[str]:
    """Columns that a method may read."""
    stored = [name for table in MEASURED.values() for name in table.names if name not in _KEYS]
    return sorted({*stored, *(column.name for score in all_scores().values() for column in score.columns)})


def _checked(name: str, method: Score | Summary, given: Mapping[str, object]) -> dict[str, Parameter]:
    fields = {setting: (p.annotation, p.default) for setting, p in method.settings.items()}
    model = create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)
    try:
        return model.model_validate(dict(given)).model_dump()
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})" for e in error.errors())
        raise SchemaError(f"score {name}: {faults}; settings: {', '.join(fields) or 'none'}") from error


def _marks(parameter: inspect.Parameter) -> tuple[object, ...]:
    return get_args(parameter.annotation)[1:]


def _word(value: str) -> str:
    """A setting's value as part of a name."""
    return "".join(character if character.isalnum() else "_" for character in value)
