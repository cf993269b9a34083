"""Scores and summaries with the settings that a recipe gives them, and where their inputs come from.

A method without a label has the column names of its file, and its default settings, or those that the recipe's section
`scores` gives under `default`. With any other label, which that section gives or a filter implies
(`semdedup_similarity_easy`), its name and columns end in `_label`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydantic import ConfigDict, ValidationError, create_model

from .algorithms.digest import json_digest
from .algorithms.labels import labelled
from .algorithms.preference import BUILT_IN, preference_columns
from .errors import SchemaError
from .instance import Instance, Source
from .scores import all_scores
from .spec import Parameter, Score, Summary
from .summaries import all_summaries
from .tables import MEASURED, Key

DEFAULT = "default"
# Tables that a recipe can have several of, and the setting that names which.
_LABELLED = {"embeddings": "encoder", "cluster_assignments": "clustering", "centroids": "clustering"}
_KEYS = ("shard", "reason", "key")


class Instances:
    """The instances of a recipe, each made when it is first asked for."""

    def __init__(
        self,
        sections: Mapping[str, Mapping[str, Mapping[str, object]]],
        targets: Iterable[str] = (),
        encoders: Iterable[str] = (),
        clusterings: Iterable[str] = (),
    ) -> None:
        """Args: settings by method and label, as in the recipe's section `scores`; names of its other sections."""
        self._given = {
            (method, "" if label == DEFAULT else label): given
            for method, labels in sections.items()
            for label, given in labels.items()
        }
        self._targets = tuple(targets)
        self._known = {"": ("",), "encoder": ("", *encoders), "clustering": ("", *clusterings)}
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
            self._made[key] = self._instance(
                key, all_scores()[method], self._settings(method, label), f"_{label}" if label else ""
            )
        if self._made[key].method is not all_scores().get(method):
            raise SchemaError(f"two scores would be named {key[-1]!r}; give the label {label!r} of {method} another name")
        return self._made[key]

    def _settings(self, method: str, label: str) -> Mapping[str, object]:
        """What the recipe gives a score, and what its label means.

        Raises:
            SchemaError: the label means something else than what is given, or names of columns would be ambiguous.
        """
        score, given = all_scores()[method], self._given.get((method, label))
        if not label:
            if given and score.label in given and given[score.label] != score.settings[score.label].default:
                raise SchemaError(f"scores.{method}.default changes {score.label}, which a label is for: give it one")
            return given or {}
        taken = {c.name for other in all_scores().values() for c in other.columns} | set(all_scores())
        if clash := taken & {f"{method}_{label}", *(f"{c.name}_{label}" for c in score.columns)}:
            raise SchemaError(f"scores.{method}.{label}: {sorted(clash)[0]!r} is a name of its own; choose another label")
        if given is None or (score.label is not None and self._means(score.label, label)):
            implied = {score.label: label, **(given or {})}
            if implied[score.label] != label:
                said = f"{score.label} {implied[score.label]!r}"
                raise SchemaError(f"scores.{method}.{label} says {said}; choose another label, or leave that out")
            return implied
        return given

    def _means(self, setting: str, label: str) -> bool:
        """Whether a label is a value of the setting that instances are named after."""
        known = {"prefer": BUILT_IN, "target": self._targets, **self._known}
        return label in known.get(setting, ())

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
        unknown = [method for method, _ in self._given if method not in all_scores()]
        if unknown:
            raise SchemaError(f"unknown score {unknown[0]!r}; known: {', '.join(all_scores())}")
        for method, label in self._given:
            _checked(f"{method} ({label or DEFAULT})", all_scores()[method], self._settings(method, label))
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
            return self._numbers(preference_columns(str(settings["prefer"])), settings, f"prefer {settings['prefer']!r}")
        if name == "target_embedding":
            return Source(("targets", self._target(settings["target"])))
        if name == "centroids":
            return Source(labelled(name, str(settings.get("clustering", ""))))
        if name in all_summaries():
            return Source(self._summary(name, settings).key)
        if name in method.named_by:
            column = str(settings[method.named_by[name]])
            return self._numbers((column,), settings, f"{column!r}")
        return self._columns((name,), settings, f"{name!r}")

    def _numbers(self, columns: tuple[str, ...], settings: Mapping[str, Parameter], asked: str) -> Source:
        """Columns that a setting names, which must be numbers."""
        source = self._columns(columns, settings, asked)
        made = self._made.get(source.key)
        declared = made.columns if made else MEASURED[next(a for a, t in MEASURED.items() if columns[0] in t.names)].columns
        if not all(column.is_number for column in declared if column.name in columns):
            raise SchemaError(f"asks for {asked}, which is no number")
        return source

    def _columns(self, columns: tuple[str, ...], settings: Mapping[str, Parameter], asked: str) -> Source:
        for asset, table in MEASURED.items():
            if set(columns) <= set(table.names) - set(_KEYS):
                label = str(settings.get(_LABELLED.get(asset, ""), ""))
                if label not in (known := self._known[_LABELLED.get(asset, "")]):
                    raise SchemaError(f"asks for {_LABELLED[asset]} {label!r}; known: {', '.join(known[1:]) or 'none'}")
                return Source(labelled(asset, label), columns)
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
        other = [f"{s}_{_word(str(given[s]))}" for s, p in method.settings.items() if s in given and given[s] != p.default]
        key = ("summaries", "_".join([name, *other]))
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


def _word(value: str) -> str:
    """A setting's value as part of a name: itself if it is short and plain, else a digest of it."""
    return value if re.fullmatch(r"[A-Za-z0-9_]{1,40}", value) else json_digest(value)[:8]
