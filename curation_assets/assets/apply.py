"""Runs the plan: what is out of date, upstream before downstream, through the Dagster instance."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import dagster as dg

from curation_assets.algorithms.inert import inert
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State, read_state
from curation_assets.lineage.freshness import input_partitions, partition_name
from curation_assets.lineage.planning import Planned
from curation_assets.nodes import partitions
from curation_assets.tables import Key

from .failures import Failures, read_failures, write_failures
from .partitions import shards_def
from .plan import Plan, plan_project
from .runs import Group, Outcome, end_killed_runs, groups
from .step import checks_fault
from .together import CHECKED_BY
from .workers import DefinitionsOf, Here, Processes

_MOST_SHARDS_PER_RUN = 200
# A tar that is still being written changes under our hands: it is made anew at once this often, then by the next apply.
_MOST_ATTEMPTS = 3


@dataclass
class Applied:
    """What happened to each partition, by its name; the values are reasons."""

    materialized: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    held_back: dict[str, str] = field(default_factory=dict)
    up_to_date: int = 0


@dataclass(frozen=True)
class Settings:
    """How a plan is run.

    Args:
        select: names or patterns of artifacts; only these and what they need are made. Empty selects everything.
        retry_failed: whether what failed is tried again although nothing it is made from has changed.
        jobs: processes that make partitions at the same time.
        definitions_of: how worker processes make the definitions; None is `build_definitions`.
        tags: of every run that is made.
    """

    select: Sequence[str] = ()
    retry_failed: bool = True
    jobs: int = 1
    definitions_of: DefinitionsOf | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def apply(
    project: Project,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    report: Callable[[str], None],
    settings: Settings = Settings(),
) -> Applied:
    """Materialize every partition that is missing or out of date.

    Makes what is ready, plans again, and so on until nothing is left: an input that was made again with the same content
    stops the wave there. A partition that fails holds back only what reads it.

    Args:
        project: recipe, graph and lake.
        definitions: the same recipe's Dagster definitions.
        instance: where the runs are recorded.
        report: takes a line per wave.
        settings: what of the plan is run, and how.

    Raises:
        LakeError: another `curate apply` is running on this lake.
        PoolError: the pool's path matches no file, or too many shards are gone.
        KeyboardInterrupt: Ctrl-C; what was made stays, and the next call goes on from there.
    """
    with project.lake.lock("apply", wait=False):
        end_killed_runs(instance, project.lake.root)
        session = _Session(project, settings)
        with _runner(project, definitions, instance, settings) as runner:
            try:
                while wave := session.next_wave(instance):
                    names = ", ".join(sorted({"/".join(key) for group in wave for key in group.keys}))
                    count = sum(len(group.keys) * len(group.shards) for group in wave)
                    report(f"{names}: {count:,} partitions in {len(wave)} runs")
                    for group, outcome in runner.run(wave):
                        session.settle(group, outcome)
            finally:
                session.remember_failures()
        return session.finish()


def _runner(
    project: Project, definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings
) -> AbstractContextManager[Here | Processes]:
    if settings.jobs > 1:
        return Processes(project, instance, settings.jobs, definitions_of=settings.definitions_of, tags=settings.tags)
    return nullcontext(Here(project, definitions.resolve_implicit_global_asset_job_def(), instance, settings.tags))


class _Session:
    """One apply: what was tried, with which fingerprint, and how it ended."""

    def __init__(self, project: Project, settings: Settings) -> None:
        self._project, self._settings = project, settings
        self._plan: Plan | None = None
        self._attempts: dict[str, list[str]] = {}
        self._applied = Applied()

    def next_wave(self, instance: dg.DagsterInstance) -> Sequence[Group]:
        """Runs of what is ready now and was not tried before."""
        state = read_state(self._project)
        known = set(instance.get_dynamic_partitions(shards_def.name))
        if new := [shard for shard in state.shards if shard not in known]:
            instance.add_dynamic_partitions(shards_def.name, new)
        self._plan = plan_project(state, self._settings.select)
        due: dict[Key, dict[str | None, str]] = {}
        for one in self._plan.ready:
            tried = self._attempts.setdefault(one.name, [])
            is_hopeless = not self._settings.retry_failed and self._plan.failed_before(one) is not None
            if one.fingerprint in tried or len(tried) >= _MOST_ATTEMPTS or is_hopeless:
                continue
            tried.append(one.fingerprint)
            step = self._project.graph[one.key].made_with or one.key
            due.setdefault(step, {}).setdefault(one.shard, inert("; ".join(one.reasons), longest=200))
        longest = max((len(reasons) for reasons in due.values()), default=1)
        most = min(_MOST_SHARDS_PER_RUN, -(-longest // self._settings.jobs))
        together = {key: due.pop(key) for key in list(due) if self._project.graph[key].gathers}
        return [*groups(due, most), *groups(together, len(state.shards))]

    def settle(self, group: Group, outcome: Outcome) -> None:
        """Sort what a run was asked for into materialized and failed, by what the lake says."""
        graph, planned = self._project.graph, {} if self._plan is None else self._plan.planned
        for node in graph.values():
            if node.key not in group.keys and node.made_with not in group.keys:
                continue
            records = self._project.records(node.key)
            for shard in group.shards:
                name, one = partition_name(node.name, shard), planned.get((node.key, shard))
                record = records.get(shard, {})
                if record.get(CHECKED_BY) == outcome.run_id:
                    continue
                if record.get("run_id") == outcome.run_id:
                    self._applied.materialized[name] = list(one.reasons) if one is not None else ["made with its asset"]
                    self._applied.failed.pop(name, None)
                else:
                    whole = outcome.errors.get("/".join(node.made_with or node.key))
                    own = outcome.errors.get(partition_name("/".join(node.made_with or node.key), shard))
                    self._applied.failed[name] = own or whole or "not written"

    def remember_failures(self) -> None:
        """Keep what failed with its fingerprint; what was made since, or is not out of date any more, is forgotten."""
        before = read_failures(self._project.lake).by_partition
        names = set() if self._plan is None else {one.name for one in self._plan.state.planned.values()}
        kept = {name: row for name, row in before.items() if name in names and name not in self._applied.materialized}
        for name, reason in self._applied.failed.items():
            if self._attempts.get(name):
                kept[name] = (self._attempts[name][-1], reason[:1000])
        write_failures(self._project.lake, Failures(kept))

    def finish(self) -> Applied:
        """What happened, with what could not be made because of what failed."""
        applied, plan = self._applied, self._plan
        if plan is None:
            return applied
        state = plan.state
        for node in state.project.graph.values():
            for shard in partitions(node, state.shards):
                if checks := state.failed_checks(node, shard):
                    name = partition_name(node.name, shard)
                    applied.materialized.pop(name, None)
                    applied.failed[name] = checks_fault(checks)
        for one in plan.due:
            if one.name not in applied.failed:
                applied.held_back[one.name] = _waits_for(one, plan)
        total = sum(len(partitions(node, state.shards)) for node in state.project.graph.values())
        applied.up_to_date = total - len({*applied.materialized, *applied.failed, *applied.held_back})
        return applied


def _waits_for(one: Planned, plan: Plan) -> str:
    """The first input that keeps a partition from being made."""
    state: State = plan.state
    graph = state.project.graph
    for source, part in input_partitions(graph[one.key], one.shard, graph, state.shards):
        if (source.key, part) in plan.planned or part not in state.versions[source.key]:
            return f"waits for {partition_name(source.name, part)}"
    return plan.failed_before(one) or "changed while it was being made; the next apply makes it"
