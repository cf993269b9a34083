"""What Dagster's daemon watches: the pool's folder, the recipe on disk, and the clock."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import dagster as dg
from dagster._core.errors import DagsterUserCodeProcessError

from curation_assets.algorithms.digest import json_digest
from curation_assets.algorithms.inert import inert
from curation_assets.errors import PoolError, RecipeError
from curation_assets.holdings.shards import shard_files
from curation_assets.recipe import Recipe, load_recipe

from .automation import JOB, UP_TO_DATE, Build, Outlook, curate_job, fault_lines, outlook
from .partitions import shards_def

# A run that dies without a trace, for want of memory for example, would be requested at every tick for ever.
_MOST_REQUESTS = 3
# Dagster gives a tick 60 s.
_REPAIR_S = 30.0


@dataclass(frozen=True)
class Memory:
    """What the sensor knows of its earlier ticks.

    Args:
        asked_for: what it last requested a run for.
        times: how often in a row.
        reloaded_for: what it last reloaded the code location for.
    """

    asked_for: str = ""
    times: int = 0
    reloaded_for: str = ""


def automation_definitions(recipe: Recipe, build: Build) -> dg.Definitions:
    """Job, sensors and schedule of a recipe.

    Args:
        recipe: as it was when this process loaded it; each tick reads it again.
        build: definitions of a recipe.

    Raises:
        RecipeError: the schedule's times never come.
    """
    job = curate_job(recipe.path, build)
    return dg.Definitions(
        jobs=[job],
        sensors=[shard_sensor(recipe), curation_sensor(recipe, job, build)],
        schedules=[curation_schedule(recipe, job)],
    )


def shard_sensor(recipe: Recipe) -> dg.SensorDefinition:
    """Registers every tar that the recipe's pool matches as a partition; requests no run."""

    @dg.sensor(
        name="new_shards",
        description="Registers every tar that pool.path matches as a shard partition; starts nothing.",
        minimum_interval_seconds=recipe.file.automation.interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def new_shards(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            found = shard_files(load_recipe(recipe.path))
        except (PoolError, RecipeError) as error:
            return dg.SkipReason(fault_lines(error))
        known = set(context.instance.get_dynamic_partitions(shards_def.name))
        new = [shard for shard in found if shard not in known]
        if not new:
            return dg.SkipReason(f"all {len(found):,} shards are known")
        return dg.SensorResult(dynamic_partitions_requests=[shards_def.build_add_request(new)])

    return new_shards


def curation_sensor(recipe: Recipe, job: dg.JobDefinition, build: Build) -> dg.SensorDefinition:
    """Requests one run for all that is out of date, and lets the UI follow the recipe on disk."""

    @dg.sensor(
        name="curation",
        description="Plans what is out of date by the recipe on disk; requests a run of it where automation.run is on_change.",
        job=job,
        minimum_interval_seconds=recipe.file.automation.interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,  # the switch is the recipe's
    )
    def curation(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        memory = read_memory(context.cursor)
        try:
            present = load_recipe(recipe.path)
        except RecipeError as error:
            return dg.SensorResult(skip_reason=fault_lines(error), cursor=context.cursor)
        found = outlook(present, context.instance, "on_change")
        asked_again = found.asks_for if found.asks_for == memory.asked_for else ""
        wanted = _reload_reason(recipe, present, asked_again)
        if wanted and wanted != memory.reloaded_for:  # once, because some servers ignore it
            _reload(context, recipe, build)
        return _answer(found, replace(memory, reloaded_for=wanted or memory.reloaded_for))

    return curation


def curation_schedule(recipe: Recipe, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Requests at fixed times what the sensor requests after a change.

    Raises:
        RecipeError: the times never come.
    """
    setting = recipe.file.automation

    def curation_on_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            found = outlook(load_recipe(recipe.path), context.instance, "on_schedule")
        except RecipeError as error:
            return dg.SkipReason(fault_lines(error))
        return found.run_request() if found.asks_for else dg.SkipReason(found.reason)

    try:
        return dg.schedule(
            name="curation_on_schedule",
            description="Requests a run of all that is out of date where the recipe's automation.run is on_schedule.",
            job=job,
            cron_schedule=setting.cron,
            execution_timezone=setting.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )(curation_on_schedule)
    except dg.DagsterInvalidDefinitionError as error:
        raise RecipeError(f"recipe {recipe.path}: automation.cron {setting.cron!r} names no time that ever comes") from error


def _answer(found: Outlook, memory: Memory) -> dg.SensorResult:
    """A run request, or why there is none; what led to nothing is not asked for without end."""
    times = memory.times + 1 if found.asks_for == memory.asked_for else 1
    if found.asks_for and times <= _MOST_REQUESTS:
        asked = replace(memory, asked_for=found.asks_for, times=times)
        return dg.SensorResult(run_requests=[found.run_request()], cursor=json.dumps(asdict(asked)))
    if found.asks_for:
        reason = f"requested {_MOST_REQUESTS} times to no effect; waits for a change, or a run of {JOB} by hand: {found.reason}"
        return dg.SensorResult(skip_reason=reason, cursor=json.dumps(asdict(memory)))
    kept = replace(memory, asked_for="", times=0) if found.reason == UP_TO_DATE else memory
    return dg.SensorResult(skip_reason=found.reason, cursor=json.dumps(asdict(kept)))


def read_memory(cursor: str | None) -> Memory:
    """A sensor's cursor; one that cannot be read is forgotten."""
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        return Memory()
    if not isinstance(found, Mapping) or {name: type(value) for name, value in found.items()} != Memory.__annotations__:
        return Memory()
    return Memory(**found)


def _reload_reason(loaded: Recipe, present: Recipe, asked_again: str) -> str:
    """Digest of why this process's code location is old; empty if it is not.

    It is old when the recipe has another content, or when a run, which imports everything anew, left undone what this
    process takes to be out of date: then the code on disk is another.
    """
    if present.file == loaded.file and not asked_again:
        return ""
    return json_digest({"recipe": present.file.model_dump(mode="json"), "asked_again": asked_again})


def _reload(context: dg.SensorEvaluationContext, recipe: Recipe, build: Build) -> None:
    """Let Dagster load this code location anew, in another process; this one ends when its tick does.

    Runs are right without it: what it changes is the graph that the UI shows, and this sensor's own settings. A recipe that
    is saved once more at this moment, with a fault, would take the location down, and only this tick could bring it back.
    """
    patience = time.monotonic() + _REPAIR_S
    try:
        build(load_recipe(recipe.path))
        while not _is_reloaded(context, recipe) and time.monotonic() < patience:
            time.sleep(1)
    except Exception as error:  # the edge: some servers cannot, and a tick's run request must not depend on it
        context.log.warning(f"the code location was not loaded anew: {inert(str(error), longest=400)}")


def _is_reloaded(context: dg.SensorEvaluationContext, recipe: Recipe) -> bool:
    try:
        load_recipe(recipe.path)
        context.code_location_origin.reload_location(context.instance)
    except (RecipeError, DagsterUserCodeProcessError) as error:
        context.log.warning(f"the code location could not be loaded: {inert(str(error), longest=400)}")
        return False
    context.log.info("the code location was loaded anew")
    return True
