"""What a lake holds: artifacts with versions and rows, funnels of subsets, and what is out of date."""

from dataclasses import dataclass

import pyarrow.compute as pc

from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.holdings.state import State
from curation_assets.nodes import Node, partitions


@dataclass(frozen=True)
class ArtifactStatus:
    """One artifact: how much of it exists and is up to date. `reasons` are of the first few partitions that are not."""

    name: str
    partitions: int
    made: int
    out_of_date: int
    failed: int
    rows: int
    delta_version: int | None
    columns: list[str]
    reasons: list[str]


@dataclass(frozen=True)
class Funnel:
    """A subset: rows of its source, rows kept, and rows dropped by filter."""

    subset: str
    source: str
    rows_in: int
    kept: int
    dropped_by: dict[str, int]


def artifact_status(state: State, node: Node) -> ArtifactStatus:
    """Status of one artifact."""
    shards = state.shards
    records = state.records[node.key]
    stale = state.out_of_date(node)
    made = [shard for shard in partitions(node, shards) if shard in records]
    versions = [int(str(records[shard]["delta_version"])) for shard in made]
    return ArtifactStatus(
        name=node.name,
        partitions=len(partitions(node, shards)),
        made=len(made),
        out_of_date=len(stale),
        failed=sum(bool(state.failed_checks(node, shard)) for shard in made),
        rows=sum(int(str(records[shard]["rows"])) for shard in made),
        delta_version=max(versions, default=None),
        columns=list(node.table.names),
        reasons=[f"{shard or node.name}: {'; '.join(reasons)}" for shard, reasons in list(stale.items())[:3]],
    )


def pool_funnel(state: State) -> Funnel:
    """Samples in the tars, accepted into the pool, and rejected by reason."""
    accepted = len(state.read(("raw_pool",), ["row"]))
    reasons = reason_counts(state.read(("rejected_samples",), ["reason"])["reason"].to_pylist())
    return Funnel("raw_pool", "tars", accepted + sum(reasons.values()), accepted, reasons)


def subset_funnels(state: State) -> list[Funnel]:
    """Funnel of every subset that has been made, in the order of the recipe."""
    funnels = []
    for plan in state.project.recipe.subsets:
        ledger = ("decisions", plan.name)
        if not state.records[ledger]:
            continue
        decided = state.read(ledger, ["is_kept", "filter"])
        kept = pc.sum(decided["is_kept"]).as_py() or 0
        reasons = reason_counts(decided["filter"].to_pylist())
        funnels.append(Funnel(plan.name, plan.source or "raw_pool", len(decided), kept, reasons))
    return funnels
