"""Materializes what is missing or out of date, upstream before downstream, through the Dagster instance."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import dagster as dg

from curation_assets.graph import Graph, Key, Node, partitions
from curation_assets.lineage.freshness import input_partitions, partition_name

from .partitions import shards_def
from .project import Project, Records
from .state import State, read_state

Partition = tuple[Key, str | None]
_COMMAND, _LAKE, _REASON = "curation/command", "curation/lake", "curation/reason"
_UNFINISHED = [status for status in dg.DagsterRunStatus if status.name in ("NOT_STARTED", "STARTING", "STARTED", "CANCELING")]


@dataclass
class Applied:
    """What happened to each partition, by its name; the values are reasons."""

    materialized: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    held_back: dict[str, str] = field(default_factory=dict)
    up_to_date: int = 0


def apply(
    project: Project,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    report: Callable[[str], None],
) -> Applied:
    """Materialize every partition that is missing or out of date.

    Goes through the graph level by level and looks at the lake again before each, so that an input which was made again with
    the same content stops the wave there. A partition that fails holds back only what reads it.

    Args:
        project: recipe, graph and lake.
        definitions: the same recipe's Dagster definitions.
        instance: where the runs are recorded.
        report: takes a line per level.

    Raises:
        LakeError: another `curate apply` is running on this lake.
        PoolError: the pool's path matches no file.
        KeyboardInterrupt: Ctrl-C; what was made stays, and the next call goes on from there.
    """
    with project.lake.lock("apply", wait=False):
        _end_killed_runs(instance, project.lake.root)
        state = read_state(project)
        known = set(instance.get_dynamic_partitions(shards_def.name))
        instance.add_dynamic_partitions(shards_def.name, [shard for shard in state.files if shard not in known])
        applied, broken = Applied(), set[Partition]()
        job = definitions.resolve_implicit_global_asset_job_def()
        for level in levels(project.graph):
            state = State(project, state.files, {**state.records, **_fresh_records(project, level)})
            due = _due(state, level, applied, broken)
            if due:
                names = sorted({project.graph[key].name for keys in due.values() for key in keys})
                report(f"{', '.join(names)}: {sum(map(len, due.values()))} partitions in {len(due)} runs")
            for shard, keys in due.items():
                companions = [node.key for node in project.graph.values() if node.made_with in keys]
                tags = {_LAKE: project.lake.root, _REASON: "; ".join(next(iter(keys.values())))[:200]}
                _run(job, instance, (shard, [*keys, *companions]), tags, applied)
            state = State(project, state.files, {**state.records, **_fresh_records(project, level)})
            _settle(state, level, due, applied, broken)
        return applied


def levels(graph: Graph) -> Iterator[list[Node]]:
    """Nodes in groups that need nothing of each other, upstream first."""
    depth: dict[Key, int] = {}
    for key, node in graph.items():
        depth[key] = 1 + max((depth[source] for source in node.inputs), default=-1)
    for level in range(1 + max(depth.values())):
        yield [node for key, node in graph.items() if depth[key] == level]


def _fresh_records(project: Project, level: list[Node]) -> dict[Key, Records]:
    return {node.key: project.records(node.key) for node in level}


def _due(state: State, level: list[Node], applied: Applied, broken: set[Partition]) -> dict[str | None, dict[Key, list[str]]]:
    """Partitions of a level that will run, by shard, with their reasons; those behind a broken input are held back."""
    due: dict[str | None, dict[Key, list[str]]] = {}
    for node in level:
        reasons = state.out_of_date(node)
        for shard in partitions(node, list(state.files)):
            name = partition_name(node.name, shard)
            inputs = input_partitions(node, shard, state.project.graph, list(state.files))
            behind = [partition_name(n.name, s) for n, s in inputs if (n.key, s) in broken]
            if behind:
                applied.held_back[name] = f"waits for {behind[0]}"
                broken.add((node.key, shard))
            elif shard in reasons:
                due.setdefault(shard, {})[node.made_with or node.key] = reasons[shard]
            else:
                applied.up_to_date += 1
    return due


def _run(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    partition: tuple[str | None, list[Key]],
    tags: dict[str, str],
    applied: Applied,
) -> None:
    """One Dagster run of some assets on one shard."""
    shard, keys = partition
    result = job.execute_in_process(
        instance=instance,
        partition_key=shard,
        asset_selection=[dg.AssetKey(key) for key in keys],
        raise_on_error=False,
        run_config={"loggers": {"console": {}}},
        tags={_COMMAND: "apply", **tags},
    )
    names = {"__".join(key): "/".join(key) for key in keys}  # by step
    for event in result.all_events:
        if event.is_step_failure and event.step_key:
            error = event.step_failure_data.error
            if error is not None and error.cls_name == "DagsterExecutionInterruptedError":
                raise KeyboardInterrupt  # Dagster ends only this run; the user means all of them
            cause = error.cause if error is not None and error.cause is not None else error
            applied.failed[partition_name(names[event.step_key], shard)] = "" if cause is None else cause.message.strip()


def _settle(
    state: State,
    level: list[Node],
    due: dict[str | None, dict[Key, list[str]]],
    applied: Applied,
    broken: set[Partition],
) -> None:
    """Sort what ran into materialized and failed; what failed, now or at an earlier time, is broken for its readers."""
    for node in level:
        still = state.out_of_date(node)
        for shard in partitions(node, list(state.files)):
            name = partition_name(node.name, shard)
            ran = due.get(shard, {}).get(node.made_with or node.key)
            checks = state.failed_checks(node, shard)
            if (ran is not None and shard in still) or checks:
                broken.add((node.key, shard))
                applied.failed.setdefault(name, f"failed blocking checks: {', '.join(checks)}" if checks else "not written")
            elif ran is not None:
                applied.materialized[name] = ran


def _end_killed_runs(instance: dg.DagsterInstance, lake: str) -> None:
    """Mark runs of an earlier `curate apply` on this lake that was killed as failed; the lock says that none is alive.

    Their places in pools are given back too: Dagster keeps them for ever, and the next step of the pool would wait as long.
    """
    filters = dg.RunsFilter(statuses=_UNFINISHED, tags={_COMMAND: "apply", _LAKE: lake})
    for run in instance.get_runs(filters=filters):
        instance.report_run_failed(run, "the process that made this run ended before it did")
    storage = instance.event_log_storage
    for pool in storage.get_concurrency_keys():
        slots = storage.get_concurrency_info(pool)
        for run_id in slots.active_run_ids | slots.pending_run_ids:
            holder = instance.get_run_by_id(run_id)
            if holder is None or holder.is_finished:
                storage.free_concurrency_slots_for_run(run_id)
