"""Why Dagster's own staleness does not decide here: it does not look at an input of 100 partitions or more.

If this fails, Dagster has changed, and docs/decisions.md is to be read again.
"""

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

shards = dg.DynamicPartitionsDefinition(name="shard")


@dg.asset(partitions_def=shards, code_version="1")
def score() -> None: ...


@dg.asset(deps=[dg.AssetDep(score, partition_mapping=dg.AllPartitionMapping())], code_version="1")
def cut() -> None: ...


@pytest.mark.parametrize(("count", "status"), [(99, StaleStatus.STALE), (100, StaleStatus.FRESH)])
def test_a_changed_partition_of_a_hundred_is_not_seen(count: int, status: StaleStatus, instance: dg.DagsterInstance) -> None:
    names = [f"s{i:03d}" for i in range(count)]
    instance.add_dynamic_partitions("shard", names)

    def report(shard: str, version: str) -> None:
        tags = {"dagster/data_version": version}
        instance.report_runless_asset_event(dg.AssetMaterialization("score", partition=shard, tags=tags))

    for shard in names:
        report(shard, "1")
    dg.materialize([score, cut], selection=[cut], instance=instance)
    report(names[-1], "2")
    graph = dg.Definitions([score, cut]).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    assert resolver.get_status(cut.key) is status
