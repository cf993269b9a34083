"""What all scores share: their inputs, their checks, and what the UI shows of the columns that they make."""

import inspect
from collections.abc import Callable

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.labels import label_of
from curation_assets.algorithms.measurement import row_argument
from curation_assets.algorithms.preference import preference
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.algorithms.vectors import from_binary
from curation_assets.instance import Instance, Source, Whole
from curation_assets.nodes import Graph
from curation_assets.spec import Score
from curation_assets.tables import Key

from .catalogue import asset_spec, check_spec
from .pictures import histogram, inline
from .step import Step

_POOL: Key = ("raw_pool",)


def score_asset(key: Key, graph: Graph) -> Callable[[Callable[..., object]], dg.AssetsDefinition]:
    """Decorator that makes a function the asset of a score, with the checks that every score has."""
    return dg.multi_asset(
        name="__".join(key),
        specs=[asset_spec(graph[key], inspect.getdoc(graph[key].instance.method.compute) or "")],
        check_specs=[
            check_spec(key, "alignment", "one row per row of raw_pool, in its order", graph),
            check_spec(key, "bounds", "every value lies between the bounds that the score declares", graph),
        ],
    )


def bound_score(step: Step) -> Score:
    """The score of a step with its settings, its small tables and its files filled in; what is left are columns of rows."""
    return step.node.instance.bound(whole_inputs(step), outside_paths(step, step.node.instance))


def whole_inputs(step: Step) -> dict[str, Whole]:
    """The small tables that a method gets as a whole, by parameter."""
    return {name: _whole(step, source) for name, source in step.node.instance.sources.items() if source.is_whole}


def outside_paths(step: Step, instance: Instance) -> dict[str, str]:
    """Absolute path of each file or folder outside the lake, by setting."""
    folder = step.project.recipe.folder
    return {name: str((folder / path).resolve()) for name, path in instance.outside.items()}


def columns_by_owner(step: Step) -> dict[Key, list[str]]:
    """Columns that decide the score of a row, by the asset that they come from."""
    found: dict[Key, list[str]] = {}
    for source in step.node.instance.sources.values():
        if not source.is_whole:
            found.setdefault(source.key, []).extend(source.columns)
    graph = step.project.graph
    has_reason = {key: ["reason"] if "reason" in graph[key].table.names else [] for key in found}
    return {key: [*dict.fromkeys(columns), *has_reason[key]] for key, columns in found.items()}


def score_inputs(step: Step, shard: str | None = None) -> pa.Table:
    """The score's input columns of a shard by parameter, with `row`, and `reason` if one of its inputs keeps reasons."""
    part, instance = str(shard or step.shard), step.node.instance
    wanted = columns_by_owner(step)
    tables = {owner: step.read(owner, list(dict.fromkeys(columns)), part) for owner, columns in wanted.items()}
    found: dict[str, pa.ChunkedArray | pa.Array] = {"row": step.read(_POOL, ["row"], part)["row"]}
    for name, source in instance.sources.items():
        if name == "preference":
            columns = tuple(tables[source.key][column].to_numpy() for column in source.columns)
            values = preference(str(instance.settings["prefer"]), columns, step.shards.index(part))
            found[name] = pa.array(values, from_pandas=True)
        elif not source.is_whole:
            found[name] = tables[source.key][source.columns[0]]
    if reasons := [table["reason"] for table in tables.values() if "reason" in table.column_names]:
        found["reason"] = pc.coalesce(*reasons)
    return pa.table(found)


def complete_rows(step: Step, shard: str) -> dict[str, np.ndarray]:
    """A method's input columns of a shard by parameter, of those rows that have all of them."""
    inputs = score_inputs(step, shard)
    columns = {name: inputs[name].combine_chunks() for name in step.node.instance.sources if name in inputs.column_names}
    is_complete = np.ones(len(inputs), bool)
    for column in columns.values():
        is_complete &= pc.is_valid(column).to_numpy(zero_copy_only=False)
    return {name: row_argument(name, column.filter(pa.array(is_complete))) for name, column in columns.items()}


def _whole(step: Step, source: Source) -> Whole:
    """A small table, kept until another version of it is asked for: every shard of a score reads it."""
    name = step.project.graph[source.key].name
    key, version = (step.project.lake.root, name), step.state.versions[source.key].get(None)
    if key not in _held or _held[key][0] != version:
        _held[key] = (
            version,
            _columns(step.read(source.key), "<f4" if label_of(source.key, "centroids") is not None else "<f2"),
        )
    columns = _held[key][1]
    return columns["target_embedding"] if source.key[0] == "targets" else columns


def _columns(table: pa.Table, vector: str) -> dict[str, np.ndarray]:
    """Columns as arrays; vectors as a matrix of those rows that have one."""
    names = [n for n in table.column_names if n != "reason" and not n.endswith("_sha256")]
    return {n: _matrix_or_array(table[n], vector) for n in names}


def _matrix_or_array(column: pa.ChunkedArray, vector: str) -> np.ndarray:
    return from_binary(column.drop_null(), vector) if pa.types.is_binary(column.type) else column.to_numpy()


_held: dict[tuple[str, str], tuple[str | None, dict[str, np.ndarray]]] = {}


def summaries(score: Score, columns: dict[str, pa.Array]) -> dict[str, object]:
    """Histogram and mean of each numeric column, counts of each label."""
    summaries: dict[str, object] = {}
    for column in score.columns:
        values = pc.drop_null(columns[column.name])
        if column.name.endswith(("_hi", "_lo")) or pa.types.is_list(column.type):
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
