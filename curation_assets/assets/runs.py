"""Dagster runs that this process makes itself: many shards in one, errors by partition, and the leftovers of killed ones."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from curation_assets.lineage.freshness import partition_name
from curation_assets.nodes import Graph
from curation_assets.tables import Key

from .batch import FAILED_PARTITIONS, SHARDS_TAG

COMMAND_TAG, LAKE_TAG, REASON_TAG = "curation/command", "curation/lake", "curation/reason"
PARENT_TAG = "curation/made_by_run"
_UNFINISHED = [status for status in dg.DagsterRunStatus if status.name in ("NOT_STARTED", "STARTING", "STARTED", "CANCELING")]
_RUNNING = [status for status in _UNFINISHED if status.name != "NOT_STARTED"]


@dataclass(frozen=True)
class Group:
    """Partitions that one run makes: all `keys` on all `shards`, which are (None,) for artifacts without shards."""

    keys: tuple[Key, ...]
    shards: tuple[str | None, ...]
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What a run came to: its id, and the errors of partitions by name; of a step that failed as a whole, by artifact."""

    run_id: str
    errors: Mapping[str, str]


def run_group(
    job: dg.JobDefinition, instance: dg.DagsterInstance, graph: Graph, group: Group, tags: Mapping[str, str]
) -> Outcome:
    """One Dagster run in this process.

    Raises:
        KeyboardInterrupt: Ctrl-C; Dagster would end only this run, the user means all of them.
    """
    is_one = len(group.shards) == 1
    shards = {} if is_one else {SHARDS_TAG: json.dumps(group.shards)}
    companions = [node.key for node in graph.values() if node.made_with in group.keys]
    result = job.execute_in_process(
        instance=instance,
        # Dagster wants one partition, or a range of them in the order of registration, which could span others. A run of
        # many is filed under its first shard; its materializations are filed under their own.
        partition_key=group.shards[0],
        asset_selection=[dg.AssetKey(key) for key in (*group.keys, *companions)],
        raise_on_error=False,
        run_config={"loggers": {"console": {}}},
        tags={COMMAND_TAG: "apply", REASON_TAG: group.reason[:200], **shards, **tags},
    )
    names = {"__".join(key): "/".join(key) for key in group.keys}  # by step
    errors: dict[str, str] = {}
    for event in result.all_events:
        if event.is_step_failure and event.step_key:
            error = event.step_failure_data.error
            if error is not None and error.cls_name == "DagsterExecutionInterruptedError":
                raise KeyboardInterrupt
            errors |= _errors(event, names[event.step_key], group.shards[0] if is_one else None)
    return Outcome(result.run_id, errors)


def _errors(event: dg.DagsterEvent, name: str, shard: str | None) -> dict[str, str]:
    failure = event.step_failure_data
    metadata = {} if failure.user_failure_data is None else failure.user_failure_data.metadata
    if FAILED_PARTITIONS in metadata:
        return {str(part): str(reason) for part, reason in metadata[FAILED_PARTITIONS].value.items()}
    cause = failure.error.cause if failure.error is not None and failure.error.cause is not None else failure.error
    return {partition_name(name, shard): "" if cause is None else cause.message.strip()}


def end_killed_runs(instance: dg.DagsterInstance, lake: str) -> None:
    """Mark runs of an earlier `curate apply` on this lake that was killed as failed; the lock says that none is alive.

    Their places in pools are given back too: Dagster keeps them for ever, and the next step of the pool would wait as long.
    """
    filters = dg.RunsFilter(statuses=_UNFINISHED, tags={COMMAND_TAG: "apply", LAKE_TAG: lake})
    for run in instance.get_runs(filters=filters):
        instance.report_run_failed(run, "the process that made this run ended before it did")
    storage = instance.event_log_storage
    for pool in storage.get_concurrency_keys():
        slots = storage.get_concurrency_info(pool)
        for run_id in slots.active_run_ids | slots.pending_run_ids:
            holder = instance.get_run_by_id(run_id)
            if holder is None or holder.is_finished:
                storage.free_concurrency_slots_for_run(run_id)


def groups(due: Mapping[Key, Mapping[str | None, str]], most_shards: int) -> Sequence[Group]:
    """Runs for what is due: artifacts that are due on the same shards share a run.

    Args:
        due: reason by shard, of each artifact with a step of its own.
        most_shards: in one run.
    """
    by_shards: dict[tuple[str | None, ...], list[Key]] = {}
    for key, reasons in due.items():
        shards = list(reasons)
        for start in range(0, len(shards), most_shards):
            by_shards.setdefault(tuple(shards[start : start + most_shards]), []).append(key)
    return [Group(tuple(keys), shards, due[keys[0]][shards[0]]) for shards, keys in by_shards.items()]


def runs_alive(instance: dg.DagsterInstance, lake: str) -> list[str]:
    """Ids of runs that may be writing to a lake; the caller holds its lock, so no `curate apply` is among them."""
    end_killed_runs(instance, lake)
    found = instance.get_runs(filters=dg.RunsFilter(statuses=_RUNNING))
    return [run.run_id for run in found if run.tags.get(LAKE_TAG, lake) == lake]
