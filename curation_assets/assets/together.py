"""A run of an asset whose shards are made together, because each of them reads all shards of its inputs."""

import time
from collections.abc import Callable, Iterator

import dagster as dg

from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State, read_state
from curation_assets.lineage.freshness import partition_name
from curation_assets.lineage.planning import FAILED_CHECKS
from curation_assets.tables import Key
from resources.delta import Part

from .batch import SHARDS_WITH_PICTURES, check_outputs, raise_failures, stored_part
from .events import WARNINGS, input_pointers, log_checks, log_materialization
from .step import Made, Step, with_pictures

CHECKED_BY = "checked_by"


def run_together(
    context: dg.AssetExecutionContext, project: Project, key: Key, make: Callable[[Step], list[Made]]
) -> Iterator[dg.Output]:
    """Make all shards of an artifact, and store those that came out differently; of the others, the record is renewed.

    Args:
        context: of the run; whatever partition it is filed under, all are made.
        project: recipe, graph and lake.
        key: artifact that is made.
        make: makes all of its shards and stores nothing.

    Raises:
        dg.Failure: a shard broke a blocking check; all are stored.
    """
    state, started = read_state(project), time.monotonic()
    pointers = input_pointers(context.instance, project.graph[key])
    made = make(Step(state, key, None, context.run.run_id))
    seconds = (time.monotonic() - started) / max(len(made), 1)
    changed = [one for one in made if not _is_stored(state, one)]
    shown = [with_pictures(one) for one in changed[:SHARDS_WITH_PICTURES]] + changed[SHARDS_WITH_PICTURES:]
    renewed = [_renewed(state, one, seconds) for one in made if _is_stored(state, one)]
    version = project.lake.write(project.graph[key].name, [*(stored_part(one, seconds) for one in shown), *renewed])
    for i, one in enumerate(shown):
        log_materialization(context, state, one, (version, pointers))
        log_checks(context, state, one, is_spokesman=not i)
    yield from check_outputs(context)
    name = project.graph[key].name
    raise_failures({partition_name(name, one.draft.shard): one.fault for one in made if one.fault}, len(made))


def _is_stored(state: State, made: Made) -> bool:
    """Whether the lake has this very content already, with the same checks failed."""
    record = state.records[made.draft.key].get(made.draft.shard)
    now = stored_part(made, 0).record
    same = ("data_version", "rows", "uid_digest", "code_version", FAILED_CHECKS, WARNINGS)
    return record is not None and all(record.get(name) == now.get(name) for name in same)


def _renewed(state: State, made: Made, seconds: float) -> Part:
    """The record of a shard that came out the same: made from the present inputs, by the run that made it first."""
    record = state.records[made.draft.key][made.draft.shard]
    now = stored_part(made, seconds).record
    kept = {name: record[name] for name in ("run_id", "reasons") if name in record}
    return Part(made.draft.shard, None, {**now, **kept, CHECKED_BY: now["run_id"]})
