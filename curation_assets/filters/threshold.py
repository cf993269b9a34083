"""The filter that every numeric score has under its own name: a range, or an exact fraction of its best rows."""

from typing import Annotated, Literal

from pydantic import Field

from curation_assets.errors import SchemaError
from curation_assets.spec import Condition, Filter, Fraction, Score


def threshold_filter(score: Score, column: str) -> Filter:
    """Filter on one numeric column of a score: `{min, max}` or `{top_fraction, over}`.

    Args:
        score: says which end of the column is best.
        column: name of the column.
    """

    def threshold(
        *,
        min: Annotated[float | None, Field(description="smallest value kept")] = None,
        max: Annotated[float | None, Field(description="largest value kept")] = None,
        top_fraction: Annotated[float | None, Field(ge=0, le=1, description="share kept, exact; ties by uid")] = None,
        over: Annotated[
            Literal["source", "pool"], Field(description="rows that the fraction is of: the subset's source, or all")
        ] = "source",
        parity: Annotated[
            bool, Field(description="top_fraction as DataComp's code has it: one row more, and all that equal the last one")
        ] = False,
    ) -> tuple[Condition | Fraction, ...]:
        """Keep values in a range, or exactly the best fraction."""
        if (top_fraction is None) == (min is None and max is None):
            raise SchemaError(f"{column} needs either min and/or max, or top_fraction")
        if min is not None and max is not None and min > max:
            raise SchemaError(f"{column} keeps nothing: min {min} is above max {max}")
        if parity and (top_fraction is None or top_fraction == 1):
            raise SchemaError(f"{column}: parity needs a top_fraction below 1, where DataComp's ends; found {top_fraction}")
        if top_fraction is not None:
            return (Fraction(column, top_fraction, score.keep, over, parity),)
        return tuple(Condition(column, sign, bound) for sign, bound in ((">=", min), ("<=", max)) if bound is not None)

    return Filter(conditions=threshold, source=score.source, version="1")
