"""What a method file declares: a score or summary with its columns, a filter with its conditions.

Nothing here computes: `assets` turns the declarations into Dagster assets.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from .tables import Column

Values = np.ndarray | pa.Array
Parameter = float | int | str | bool | None


@dataclass(frozen=True)
class Outside:
    """Marks a setting that is the path of a file or folder outside the lake, relative to the recipe's folder.

    `Annotated[str, Outside()]`: the method gets the absolute path, and a change of the content makes its score out of date.
    """


# Settings that several methods have.
Prefer = Annotated[
    str, Field(description="which is kept: hard, easy, random, oldest, or a numeric score column, low_ before it for the least")
]
Clustering = Annotated[str, Field(description="one of the recipe's `clusterings`; empty is its `clusters`")]
ClassFile = Annotated[
    str | None, Outside(), Field(description="file of class names: a JSON list, or one per line; of any number of words")
]
IsSpaced = Annotated[
    bool, Field(description="names must stand as whole words; false for scripts without spaces, such as Chinese")
]


@dataclass(frozen=True)
class Score:
    """A number (or label) per sample, measured from columns and never compared with anything.

    Args:
        compute: its positional parameters name columns of `tables`, its keyword-only parameters are settings. Gets one
            array per column, without NULL rows; returns one array, or a dict of arrays by column name.
        columns: what it makes, in the order returned.
        source: paper, or reference code with commit, that defines the number.
        version: raised when the numbers change, never otherwise.
        keep: which end of the first column is worth keeping, for fractions.
        scope: rows that `compute` must be given together: any rows, all rows of one cluster, or all rows of the pool.
        is_on_demand: made only where the recipe names it or a subset filters by it; else it is made for every pool.
        update: for scores that compare rows with each other: as `compute`, with `former` (dict of its columns for the rows
            as they were, -1 or NULL for new ones) and `is_new` (bool, shape (n,)) before the settings; gives what `compute`
            gives, and compares only pairs with a new row. Called when rows were added and none was changed or removed.
        label: setting that an instance is named after: with `prefer`, the column `x_easy` is x with `prefer: easy`.
        named_by: positional parameters that are columns which a setting names, and that setting.
    """

    compute: Callable[..., Values | dict[str, Values]]
    columns: tuple[Column, ...]
    source: str
    version: str
    keep: Literal["high", "low"] = "high"
    scope: Literal["sample", "cluster", "pool"] = "sample"
    is_on_demand: bool = False
    update: Callable[..., Values | dict[str, Values]] | None = None
    label: str | None = None
    named_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, inspect.Parameter]:
        """Its keyword-only parameters, annotated for pydantic with bounds and units."""
        return _settings(self.compute)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns that it reads, and of summaries that it reads as a whole."""
        return _positional(self.compute)

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return _first_line(self.compute)


@dataclass(frozen=True)
class Summary:
    """A small table about the whole pool, such as counts per entry or a reference sample, that scores read as a whole.

    Args:
        compute: like a score's, of the rows of one shard; returns a few rows, as a dict of arrays by column name.
        merge: takes the columns of any number of such results, concatenated in any order, and the same settings; returns
            one of the same form. Merging is associative and commutative, so shards may come in any order.
        columns: what it makes; binary ones are vectors of little-endian float16.
        source: paper, or reference code with commit.
        version: raised when the numbers change, never otherwise.
        is_frozen: made once for an encoder; rows that come or go later do not make it out of date.
    """

    compute: Callable[..., dict[str, Values]]
    merge: Callable[..., dict[str, Values]]
    columns: tuple[Column, ...]
    source: str
    version: str
    is_frozen: bool = False
    named_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, inspect.Parameter]:
        """Its keyword-only parameters, annotated for pydantic with bounds and units."""
        return _settings(self.compute)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns that it reads."""
        return _positional(self.compute)


@dataclass(frozen=True)
class Condition:
    """A row passes when its value compares with the threshold; NULL never passes.

    `last_uid` (high and low half, unsigned) is set for exact fractions: of the rows equal to the threshold only those up to
    this uid pass.
    """

    column: str
    comparison: Literal["==", ">=", "<="]
    threshold: float | int | str
    last_uid: tuple[int, int] | None = None


@dataclass(frozen=True)
class Fraction:
    """The best share of a population; it becomes a `Condition` once the population's cut is known.

    `is_parity` keeps one row more and every row equal to the last one, as DataComp does.
    """

    column: str
    fraction: float
    keep: Literal["high", "low"]
    over: Literal["source", "pool"]
    is_parity: bool = False


@dataclass(frozen=True)
class Filter:
    """A keep rule over stored scores.

    Args:
        conditions: keyword-only parameters are the settings of the recipe, annotated for pydantic with bounds and units;
            returns the conditions which must all hold.
        source: paper, or reference code with commit, that defines the rule.
        version: raised when the meaning of the parameters changes.
    """

    conditions: Callable[..., tuple[Condition | Fraction, ...]]
    source: str
    version: str

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return _first_line(self.conditions)


@dataclass(frozen=True)
class Shorthand:
    """A named rule that is written out as other filters.

    Args:
        entries: keyword-only parameters are the settings; returns a list as after `keep` in a recipe, all of which must pass.
        source: paper, or reference code with commit, that defines the rule.
        version: raised when the meaning of the parameters changes.
    """

    entries: Callable[..., list[object]]
    source: str
    version: str

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return _first_line(self.entries)


def _settings(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function).parameters
    return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _positional(function: Callable[..., object]) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters
    return tuple(name for name, p in parameters.items() if p.kind is not inspect.Parameter.KEYWORD_ONLY)


def _first_line(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
