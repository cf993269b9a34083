"""A score or summary with its settings and the sources of its inputs; `instances` makes them from a recipe."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from .spec import Outside, Parameter, Score, Summary, Values
from .tables import Column, Key

Whole = np.ndarray | dict[str, np.ndarray]


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


def _marks(parameter: inspect.Parameter) -> tuple[object, ...]:
    return get_args(parameter.annotation)[1:]
