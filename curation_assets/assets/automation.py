"""Curation without a person: whether anything is to be made now, and the job that makes it.

What is out of date is decided by the plan alone, as for `curate plan`. Here is only what speaks against making it now. The
job has one step, the function behind `curate apply`: one process is started for a change, and the graph's levels go inside
it. Its shape does not depend on the recipe, so that a recipe that was edited needs no reload to be curated.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field

from curation_assets.algorithms.digest import json_digest
from curation_assets.algorithms.inert import inert
from curation_assets.errors import CurationError, LakeError
from curation_assets.holdings.project import Project, open_project
from curation_assets.holdings.shards import shard_stamp
from curation_assets.holdings.state import read_state
from curation_assets.recipe import Recipe, load_recipe

from .apply import Applied, Settings, apply
from .plan import Plan, Planned, plan_project
from .runs import COMMAND_TAG, LAKE_TAG, PARENT_TAG, REASON_TAG

JOB, _STEP, _WORLD = "curate", "apply_plan", "curation/world"
UP_TO_DATE = "everything is up to date"
Build = Callable[[Recipe], dg.Definitions]
When = Literal["on_change", "on_schedule"]
_UNFINISHED = [
    *(dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING),
    *(dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING),
]
# A run holds the lake's lock within seconds of its start; one that does not after so long has lost its process.
_LOCKED_AFTER_S = 180.0
_LISTED = 20


@dataclass(frozen=True)
class Outlook:
    """What a tick found.

    Args:
        reason: why a run is requested, or why not.
        asks_for: digest of the partitions that a run would begin with, and of what people change; empty if none is requested.
        tags: of the run.
    """

    reason: str
    asks_for: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    def run_request(self) -> dg.RunRequest:
        """A run of the job that leaves alone what has failed before with the same inputs."""
        return dg.RunRequest(tags=self.tags, run_config={"ops": {_STEP: {"config": {"retry_failed": False}}}})


class CurateSettings(dg.Config):
    """What can be set in Dagster's launchpad for one run of the job."""

    retry_failed: bool = Field(True, description="try again what failed before with the same inputs")
    select: list[str] = Field([], description="artifacts to make, with what they need; none is all")


def outlook(recipe: Recipe, instance: dg.DagsterInstance, when: When) -> Outlook:
    """What is to be made now, or why nothing is.

    Args:
        recipe: as it is on disk.
        instance: whose runs may be at work already; one that has lost its process is marked as failed.
        when: kind of tick that asks; only the one that the recipe's `automation.run` names gets a run.
    """
    try:
        project = open_project(recipe)
        if busy := _unfinished_run(project, instance):
            return Outlook(busy)
        plan = plan_project(read_state(project))
    except CurationError as error:
        return Outlook(fault_lines(error))
    if refusal := _refusal(recipe, plan, when):
        return Outlook(refusal)
    world = _world(recipe, plan)
    if when == "on_change" and (canceled := _canceled_run(project, instance, world)):
        return Outlook(f"{_counted(plan)}; run {canceled} was canceled: waits for a change, or a run of {JOB} by hand")
    if _is_locked(project):
        return Outlook("another apply is at work on this lake")
    fresh = [one for one in plan.ready if plan.failed_before(one) is None]
    reason = f"{_counted(plan)}: {_causes(fresh)}"
    tags = {COMMAND_TAG: "automation", LAKE_TAG: project.lake.root, _WORLD: world, REASON_TAG: inert(reason, longest=300)}
    return Outlook(reason, json_digest([world, sorted([one.name, one.fingerprint] for one in fresh)]), tags)


def curate_job(path: Path, build: Build) -> dg.JobDefinition:
    """The job behind the button, the sensor and the schedule.

    Args:
        path: recipe, which a run reads when it begins.
        build: definitions of a recipe.
    """

    @dg.op(name=_STEP, out=dg.Out(dg.Nothing), description="Plans, and makes what is out of date, as `curate apply` does.")
    def apply_plan(context: dg.OpExecutionContext, config: CurateSettings) -> None:
        try:
            recipe = load_recipe(path)
            project = open_project(recipe)
            for line in plan_lines(plan_project(read_state(project), config.select)):
                context.log.info(line)
            settings = Settings(config.select, config.retry_failed, tags={PARENT_TAG: context.run_id})
            applied = apply(project, build(recipe), context.instance, context.log.info, settings)
        except CurationError as error:
            raise dg.Failure(fault_lines(error), allow_retries=False) from error
        _tell(context, applied)

    # A crashed run is requested again by the sensor, which counts; Dagster's own retry would come on top.
    @dg.job(name=JOB, tags={"dagster/max_retries": "0"}, description="Makes what is missing or out of date: `curate apply`.")
    def job() -> None:
        apply_plan()

    return job


def plan_lines(plan: Plan) -> list[str]:
    """A plan for a log: what is out of date and why, a line per artifact."""
    by_artifact: dict[str, list[Planned]] = {}
    for one in plan.due:
        by_artifact.setdefault("/".join(one.key), []).append(one)
    lines = [
        f"{name}: {len(due):,} {'out of date' if due[0].is_certain else 'to look at'}: {inert('; '.join(due[0].reasons))}"
        for name, due in by_artifact.items()
    ]
    return lines or [UP_TO_DATE]


def fault_lines(error: CurationError) -> str:
    """An error's message as it may be shown: harmless text, its lines kept."""
    return "\n".join(inert(line) for line in str(error).splitlines())


def _unfinished_run(project: Project, instance: dg.DagsterInstance) -> str:
    """The run of the job that waits or works on this lake, in words; empty if there is none."""
    for record in instance.get_run_records(dg.RunsFilter(job_name=JOB, statuses=_UNFINISHED)):
        run = record.dagster_run
        if run.tags.get(LAKE_TAG, project.lake.root) != project.lake.root:
            continue
        works_s = time.time() - (record.start_time or time.time())
        is_local = project.lake.is_local  # an object store has no lock to tell by
        if is_local and run.status is dg.DagsterRunStatus.STARTED and works_s > _LOCKED_AFTER_S and not _is_locked(project):
            instance.report_run_failed(run, "the process that made this run ended before it did")
            continue
        return f"run {run.run_id[:8]} is {run.status.value.lower().replace('_', ' ')}"
    return ""


def _canceled_run(project: Project, instance: dg.DagsterInstance, world: str) -> str:
    """The newest requested run, if a person ended it and nothing outside the lake has changed since; else empty."""
    for run in instance.get_runs(dg.RunsFilter(job_name=JOB, tags={LAKE_TAG: project.lake.root}), limit=1):
        if run.status is dg.DagsterRunStatus.CANCELED and run.tags.get(_WORLD) == world:
            return run.run_id[:8]
    return ""


def _world(recipe: Recipe, plan: Plan) -> str:
    """Digest of what people change: the recipe, and the pool's files."""
    stamps = [shard_stamp(recipe, path) for path in plan.state.files.values()]
    return json_digest({"recipe": recipe.file.model_dump(mode="json"), "files": stamps})


def _is_locked(project: Project) -> bool:
    try:
        with project.lake.lock("apply", wait=False):
            return False
    except LakeError:
        return True


def _refusal(recipe: Recipe, plan: Plan, when: When) -> str:
    """Why a plan is not carried out now; empty if it is."""
    setting = recipe.file.automation
    if not plan.due:
        return UP_TO_DATE
    if setting.run == "never":
        return f"{_counted(plan)}; automation.run is never: `curate apply` makes them"
    if setting.run != when:
        times = f": {setting.cron} {setting.timezone}" if setting.run == "on_schedule" else ""
        return f"{_counted(plan)}; automation.run is {setting.run}{times}"
    if all(plan.failed_before(one) is not None for one in plan.ready):
        failed = [f"{one.name}: {plan.failed_before(one)}" for one in plan.ready]
        held = [f"{one.name} is held back by {one.held_back_by}" for one in plan.due if one.held_back_by]
        return "waits for a change: " + _listed(failed or held or [_counted(plan)], 3)
    if setting.max_seconds is not None and (plan.seconds is None or plan.seconds > setting.max_seconds):
        found = "nothing is known of its cost" if plan.seconds is None else f"an estimated {plan.seconds:,.0f} s"
        limit = f"automation.max_seconds {setting.max_seconds:,.0f}"
        return f"{_counted(plan)}; {found} against {limit}: `curate apply` makes them all the same"
    return ""


def _counted(plan: Plan) -> str:
    count = sum(one.is_certain for one in plan.due)
    return f"{count:,} partition{'s' * (count != 1)} out of date"


def _causes(fresh: list[Planned]) -> str:
    """The commonest reasons, each with a partition that has it."""
    counts = Counter(one.reasons[0] for one in fresh)
    first = {one.reasons[0]: one.name for one in reversed(fresh)}
    told = [
        f"{inert(reason, longest=100)} ({first[reason]}{f' and {count - 1:,} more' if count > 1 else ''})"
        for reason, count in counts.most_common()
    ]
    return _listed(told, 3)


def _listed(lines: list[str], longest: int) -> str:
    more = f"; {len(lines) - longest:,} more" if len(lines) > longest else ""
    return "; ".join(inert(line, longest=240) for line in lines[:longest]) + more


def _tell(context: dg.OpExecutionContext, applied: Applied) -> None:
    """Show what a run did.

    Raises:
        dg.Failure: partitions failed; what could be made is made.
    """
    counts = {"materialized": len(applied.materialized), "failed": len(applied.failed), "held_back": len(applied.held_back)}
    names = {"materialized": [*applied.materialized][:_LISTED], "failed": applied.failed, "held_back": applied.held_back}
    if applied.failed:
        failed = _listed([f"{name}: {error}" for name, error in applied.failed.items()], 2)
        summary = f"{counts['failed']:,} failed, {counts['materialized']:,} made, {counts['held_back']:,} held back: {failed}"
        shown = {name: dg.MetadataValue.json(value) for name, value in names.items()}
        raise dg.Failure(summary, metadata=shown, allow_retries=False)
    context.add_output_metadata({**counts, "names": dg.MetadataValue.json(names["materialized"])})
