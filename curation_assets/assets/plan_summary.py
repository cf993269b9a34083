"""A plan by artifact, as people read it: how many partitions, why, and what they will probably cost."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from curation_assets.lineage.freshness import input_partitions
from curation_assets.lineage.planning import Planned
from curation_assets.tables import Key

from .plan import Cost, Plan

_MOST_CAUSES = 3
_SHARD = re.compile(r"\[[A-Za-z0-9_.-]+\]")  # in names of partitions; a reason of many shards is told once


@dataclass(frozen=True)
class ArtifactPlan:
    """What is planned of one artifact.

    Args:
        name: artifact.
        after: artifact whose change would be the cause; None where the cause is here.
        partitions: how many may run, `certain` of them whatever their inputs come out as.
        causes: the most frequent reasons, each with how many partitions it concerns.
        rows: rows of the pool that they are made from.
        bytes: bytes of images that they read.
        seconds: estimate from recorded costs; None where it has never been made. `gpu_seconds` likewise.
        blocked: partitions that wait for one that failed a blocking check.
        failed_before: partitions that failed when they were last made from the very same.
    """

    name: str
    after: str | None
    partitions: int
    certain: int
    causes: dict[str, int]
    rows: int
    bytes: int
    seconds: float | None
    gpu_seconds: float | None
    blocked: int
    failed_before: int


def by_artifact(plan: Plan) -> list[ArtifactPlan]:
    """The plan's artifacts, upstream before downstream."""
    found: dict[Key, list[Planned]] = {}
    for one in plan.due:
        found.setdefault(one.key, []).append(one)
    return [_artifact(plan, key, ones) for key, ones in found.items()]


def notes(plan: Plan) -> list[str]:
    """What is not out of date although something changed: frozen centroids, and how far the pool has moved from them."""
    clusters, state = plan.state.project.recipe.file.clusters, plan.state
    if not state.records[("centroids",)]:
        return []
    drift = "not measured yet" if state.drift is None else f"{state.drift:.3f}"
    limit = f", limit {clusters.max_drift:g}" if clusters.policy == "refit_on_drift" else ""
    return [f"centroids: policy {clusters.policy}, drift {drift}{limit}"]


def as_json(plan: Plan) -> dict[str, object]:
    """The whole plan as plain values."""
    partitions = [
        {
            "partition": one.name,
            "reasons": list(one.reasons),
            "is_certain": one.is_certain,
            "held_back_by": one.held_back_by or None,
            "failed_before": plan.failed_before(one),
            **asdict(plan.cost(one)),
        }
        for one in plan.due
    ]
    return {
        "is_out_of_date": bool(plan.due),
        "artifacts": [asdict(line) for line in by_artifact(plan)],
        "partitions": partitions,
        "seconds": plan.seconds,
        "notes": notes(plan),
    }


def _artifact(plan: Plan, key: Key, ones: Sequence[Planned]) -> ArtifactPlan:
    costs = [plan.cost(one) for one in ones]
    is_many = len(ones) > 1
    causes = Counter(_SHARD.sub("[*]", reason) if is_many else reason for one in ones for reason in one.reasons)
    return ArtifactPlan(
        name="/".join(key),
        after=_after(plan, ones[0]),
        partitions=len(ones),
        certain=sum(one.is_certain for one in ones),
        causes=dict(causes.most_common(_MOST_CAUSES)),
        rows=sum(cost.rows for cost in costs),
        bytes=sum(cost.bytes for cost in costs),
        seconds=_total(costs, "seconds"),
        gpu_seconds=_total(costs, "gpu_seconds"),
        blocked=sum(bool(one.held_back_by) for one in ones),
        failed_before=sum(plan.failed_before(one) is not None for one in ones),
    )


def _after(plan: Plan, one: Planned) -> str | None:
    """The artifact furthest downstream that is planned before this one and read by it."""
    if one.is_certain and one.fingerprint:
        return None
    graph, planned = plan.state.project.graph, plan.planned
    inputs = input_partitions(graph[one.key], one.shard, graph, plan.state.shards)
    coming = {source.key for source, part in inputs if (source.key, part) in planned}
    return next(("/".join(key) for key in reversed(list(graph)) if key in coming), None)


def _total(costs: Sequence[Cost], name: str) -> float | None:
    values = [getattr(cost, name) for cost in costs]
    return None if None in values else float(sum(values))
