"""A run of one asset on one shard, or on many: a data version, checks and a record for each, and few commits for all.

Dagster gives all partitions of a run one data version, which would end early cut-off. A run of many shards therefore logs
a materialization per shard itself (events.py), and leaves its outputs out.
"""

import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping

import dagster as dg

from curation_assets.algorithms.inert import inert
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State, read_state
from curation_assets.lineage.freshness import partition_name
from curation_assets.lineage.planning import FAILED_CHECKS
from curation_assets.tables import Key
from resources.delta import Part

from .events import WARNINGS, input_pointers, log_checks, log_materialization, materialize_result
from .step import Made, Step, with_pictures

SHARDS_TAG = "curation/shards"
FAILED_PARTITIONS = "failed_partitions"
# Rows wait in memory for a common commit: until there are many, or until losing them in a crash would be a pity.
_MOST_BYTES = 128 << 20
_LONGEST_WAIT_S = 20.0
SHARDS_WITH_PICTURES = 3

Result = dg.MaterializeResult | dg.Output


def run_steps(
    context: dg.AssetExecutionContext, project: Project, key: Key, make: Callable[[Step], list[Made]]
) -> Iterator[Result]:
    """Make every partition that a run asks for; one that fails holds none of the others back.

    Args:
        context: of the run; its tag `curation/shards`, or its partition, says which shards.
        project: recipe, graph and lake.
        key: artifact that is made, with those that are made with it.
        make: makes one partition of it and stores nothing; what it returns is stored in that order.

    Raises:
        dg.Failure: partitions failed, or broke a blocking check; all others are stored.
    """
    tag = context.run.tags.get(SHARDS_TAG)
    if tag is None:
        yield from _run_one(context, project, key, make)
        return
    batch = _Batch(context, project, key)
    for shard in json.loads(tag):
        batch.make(shard, make)
    batch.store()
    yield from check_outputs(context)
    raise_failures(batch.failed, batch.made)


def _run_one(
    context: dg.AssetExecutionContext, project: Project, key: Key, make: Callable[[Step], list[Made]]
) -> Iterator[Result]:
    state, started = read_state(project), time.monotonic()
    made = make(Step(state, key, context.partition_key if context.has_partition_key else None, context.run.run_id))
    seconds = time.monotonic() - started
    for one in [with_pictures(one) for one in made]:
        version = project.lake.write(project.graph[one.draft.key].name, [stored_part(one, seconds / len(made))])
        yield materialize_result(state, one, version)


class _Batch:
    """What has been made of many shards and not yet stored, and what went wrong."""

    def __init__(self, context: dg.AssetExecutionContext, project: Project, key: Key) -> None:
        self._context, self._project, self._key = context, project, key
        self._state: State = read_state(project)
        self._pointers = input_pointers(context.instance, project.graph[key])
        self._waiting: list[tuple[Made, Part]] = []
        self._waits_since, self._waiting_bytes = time.monotonic(), 0
        self.made = 0
        self.failed: dict[str, str] = {}

    def make(self, shard: str, make: Callable[[Step], list[Made]]) -> None:
        """Make one partition; what is made waits for the next commit."""
        name, started = partition_name(self._project.graph[self._key].name, shard), time.monotonic()
        self.made += 1
        try:
            made = make(Step(self._state, self._key, shard, self._context.run.run_id))
            made = [with_pictures(one) for one in made] if self.made <= SHARDS_WITH_PICTURES else made
        except Exception as error:  # the edge: a bad partition is reported, the others go on
            self._context.log.error(f"{name}: {error}\n{traceback.format_exc()}")
            self.failed[name] = f"{type(error).__name__}: {error}"[:2000]
            return
        seconds = time.monotonic() - started
        self._waiting += [(one, stored_part(one, seconds / len(made))) for one in made]
        self._waiting_bytes += sum(one.draft.table.nbytes for one in made)
        if self._waiting_bytes > _MOST_BYTES or time.monotonic() - self._waits_since > _LONGEST_WAIT_S:
            self.store()

    def store(self) -> None:
        """Commit all that waits, a commit per table, and then tell Dagster what the lake recorded."""
        by_table: dict[Key, list[tuple[Made, Part]]] = {}
        for one, part in self._waiting:
            by_table.setdefault(one.draft.key, []).append((one, part))
        for key, waiting in by_table.items():
            version = self._project.lake.write(self._project.graph[key].name, [part for _, part in waiting])
            for i, (one, _) in enumerate(waiting):
                log_materialization(self._context, self._state, one, (version, self._pointers))
                log_checks(self._context, self._state, one, is_spokesman=not i)
                if one.fault:
                    self.failed[partition_name(self._project.graph[key].name, one.draft.shard)] = one.fault
        self._waiting, self._waits_since, self._waiting_bytes = [], time.monotonic(), 0


def check_outputs(context: dg.AssetExecutionContext) -> Iterator[dg.Output]:
    """What Dagster wants of a step for each of its checks; their evaluations are logged by partition."""
    for spec in context.assets_def.check_specs:
        yield dg.Output(None, output_name=spec.get_python_identifier())


def raise_failures(failed: Mapping[str, str], made: int) -> None:
    """Raises dg.Failure if partitions failed, by name with their reasons, of so many made."""
    if failed:
        name, reason = next(iter(failed.items()))
        raise dg.Failure(
            f"{len(failed)} of {made} partitions failed, such as {name}: {inert(reason, longest=300)}",
            metadata={FAILED_PARTITIONS: dg.MetadataValue.json(dict(failed))},
            allow_retries=False,
        )


def stored_part(one: Made, seconds: float) -> Part:
    """What is stored of a partition: its rows, and its record with what it cost and which blocking checks it failed.

    A blocking check that failed is part of the commit, so that nothing ever reads the partition.
    """
    record = {**one.draft.record, "seconds": round(seconds, 4)}
    if str(one.metadata.get("device", "")).startswith("cuda"):
        record["gpu_seconds"] = record["seconds"]
    if one.failed_checks:
        record[FAILED_CHECKS] = one.failed_checks
    if one.warnings:
        record[WARNINGS] = one.warnings
    return Part(one.draft.shard, one.draft.table, record)
