"""What all scores share: the columns that they read, their checks, and what the UI shows of the columns that they make."""

import inspect
from collections.abc import Callable

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.graph import Graph, Key
from curation_assets.spec import Score
from curation_assets.tables import MEASURED

from .catalogue import asset_spec, check_spec, reason_counts
from .pictures import histogram, inline
from .step import Step

_POOL: Key = ("raw_pool",)


def score_asset(key: Key, score: Score, graph: Graph) -> Callable[[Callable[..., object]], dg.AssetsDefinition]:
    """Decorator that makes a function the asset of a score, with the checks that every score has."""
    return dg.multi_asset(
        name="__".join(key),
        specs=[asset_spec(graph[key], inspect.getdoc(score.compute) or "")],
        check_specs=[
            check_spec(key, "alignment", "one row per row of raw_pool, in its order", graph),
            check_spec(key, "bounds", "every value lies between the bounds that the score declares", graph),
        ],
    )


def columns_by_owner(score: Score) -> dict[Key, list[str]]:
    """Columns that decide the score of a row, by the asset that they come from."""
    found: dict[Key, list[str]] = {}
    for owner, table in MEASURED.items():
        wanted = [column for column in score.inputs if column in table.names]
        if wanted:
            found[owner,] = [*wanted, "reason"] if "reason" in table.names else wanted
    return found


def score_inputs(step: Step, score: Score, shard: str | None = None) -> pa.Table:
    """The score's input columns of a shard, with `row`, and `reason` if one of its inputs keeps reasons."""
    found: dict[str, pa.ChunkedArray] = {}
    for owner, columns in {_POOL: ["row"], **columns_by_owner(score)}.items():
        rows = step.read(owner, list(dict.fromkeys(["row", *columns])), shard)
        found |= {name: rows[name] for name in rows.column_names}
    return pa.table(found)


def summaries(score: Score, columns: dict[str, pa.Array]) -> dict[str, object]:
    """Histogram and mean of each numeric column, counts of each label."""
    summaries: dict[str, object] = {}
    for column in score.columns:
        values = pc.drop_null(columns[column.name])
        if column.name.endswith(("_hi", "_lo")):
            continue  # half of a uid is a name, not a quantity
        if column.is_number:
            numbers = values.to_numpy(zero_copy_only=False)
            summaries[f"histogram_{column.name}"] = inline(histogram(numbers), f"histogram of {column.name}")
            if len(numbers):
                summaries[f"mean_{column.name}"] = float(np.mean(numbers))
        else:
            counts = reason_counts(values.to_pylist())
            summaries[f"counts_{column.name}"] = dg.MetadataValue.json(dict(list(counts.items())[:30]))
    return summaries
