"""What Dagster is told of a partition that the lake has stored: data version, place, lineage, reason and checks."""

from collections.abc import Mapping

import dagster as dg

from curation_assets.holdings.state import State
from curation_assets.lineage.planning import FAILED_CHECKS
from curation_assets.nodes import Node

from .catalogue import code_version
from .step import Made

_DATA_VERSION, _CODE_VERSION = "dagster/data_version", "dagster/code_version"
_INPUT_VERSION, _INPUT_EVENT = "dagster/input_data_version/", "dagster/input_event_pointer/"
WARNINGS = "warnings"
_MOST_INPUTS = 50  # shown in the UI; the lake's record has all


def materialize_result(state: State, made: Made, delta_version: int) -> dg.MaterializeResult:
    """A partition as the result of a run of one partition."""
    return dg.MaterializeResult(
        asset_key=dg.AssetKey(made.draft.key),
        data_version=dg.DataVersion(str(made.draft.record["data_version"])),
        metadata=_metadata(state, made, delta_version),
        check_results=made.checks,
    )


def log_materialization(
    context: dg.AssetExecutionContext, state: State, made: Made, written: tuple[int, Mapping[str, str]]
) -> None:
    """Log a partition of a run of many: `written` is the table's version, and the tags of `input_pointers`."""
    delta_version, pointers = written
    asset, shard = dg.AssetKey(made.draft.key), made.draft.shard
    tags = {
        _DATA_VERSION: str(made.draft.record["data_version"]),
        _CODE_VERSION: code_version(state.project.graph[made.draft.key]),
        **pointers,
    }
    metadata = _metadata(state, made, delta_version)
    context.log_event(dg.AssetMaterialization(asset, partition=shard, metadata=metadata, tags=tags))


def log_checks(context: dg.AssetExecutionContext, state: State, made: Made, *, is_spokesman: bool) -> None:
    """Log the checks of a partition of a run of many that failed, or had failed before.

    An event costs Dagster 6 ms or more (SQLite, three transactions), and there are more checks than partitions: of those that
    passed, one partition speaks for all of a commit. The lake's records say it of each.
    """
    asset, shard = dg.AssetKey(made.draft.key), made.draft.shard
    previous = state.records[made.draft.key].get(shard, {})
    had_failed = {str(name) for kind in (FAILED_CHECKS, WARNINGS) for name in previous.get(kind) or []}
    for check in made.checks:
        if check.passed and not is_spokesman and check.check_name not in had_failed:
            continue
        evaluation = dg.AssetCheckEvaluation(
            asset_key=asset,
            check_name=str(check.check_name),
            passed=check.passed,
            metadata=check.metadata,
            severity=check.severity,
            description=check.description,
            partition=shard,
        )
        context.log_event(evaluation)


def input_pointers(instance: dg.DagsterInstance, node: Node) -> dict[str, str]:
    """Tags that say which events of the inputs a materialization has seen, as Dagster itself sets them; take them first."""
    tags = {}
    for key in node.inputs:
        asset = dg.AssetKey(key)
        records = instance.fetch_materializations(asset, limit=1).records
        if records:
            version = (records[0].event_log_entry.tags or {}).get(_DATA_VERSION)
            tags[_INPUT_EVENT + asset.to_user_string()] = str(records[0].storage_id)
            if version is not None:
                tags[_INPUT_VERSION + asset.to_user_string()] = version
    return tags


def _metadata(state: State, made: Made, delta_version: int) -> dict[str, object]:
    """What the step says of the partition, where it is, what it was made from and why, and what it was before."""
    node, shard, inputs = state.project.graph[made.draft.key], made.draft.shard, made.draft.record["inputs"]
    place: dict[str, object] = {
        "dagster/partition_row_count" if node.is_sharded else "dagster/row_count": made.draft.rows,
        "dagster/uri": state.project.lake.uri(node.name),
        "delta_version": delta_version,
        "inputs": dg.MetadataValue.json(dict(list(inputs.items())[:_MOST_INPUTS]) if isinstance(inputs, dict) else {}),
    }
    place["reason"] = "; ".join(made.draft.record["reasons"])
    previous = state.records[node.key].get(shard)
    if previous is not None:
        if previous["run_id"]:  # a dataset can have been published by hand
            place["previous_run"] = dg.MetadataValue.dagster_run(str(previous["run_id"]))
        place["previous_data_version"] = str(previous["data_version"])
    return {**made.metadata, **place}
