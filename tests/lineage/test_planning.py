"""What would run now, what might, what waits and what is held back: small cases by hand, all cases by brute force."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest

from curation_assets.algorithms.digest import json_digest
from curation_assets.lineage.freshness import Partition
from curation_assets.lineage.planning import FAILED_CHECKS, Planned, Situation, data_versions
from curation_assets.nodes import Node
from curation_assets.tables import Key, Table

SHARDS = ["00000", "00001"]
SHARDED, WHOLE = Table(()), Table((), is_sharded=False)


def node(name: str, *inputs: str, is_sharded: bool = True, pinned: tuple[str, ...] = (), p: int = 0) -> Node:
    keys, kept = tuple((name,) for name in inputs), tuple((name,) for name in pinned)
    return Node((name,), "group", SHARDED if is_sharded else WHOLE, keys, "1", {"p": p}, pinned=kept)


# pool -> features -> centroids (frozen: the pool and its features are pinned) -> clusters -> report
CHAIN = (
    node("pool"),
    node("encoder", is_sharded=False),
    node("features", "pool", "encoder"),
    node("centroids", "features", "encoder", is_sharded=False, pinned=("features",)),
    node("clusters", "features", "centroids"),
    node("report", "clusters", is_sharded=False),
)


@dataclass
class World:
    """Nodes, shards and records that a test may change, and the plan of what is then out of date."""

    nodes: dict[str, Node]
    shards: list[str]
    records: dict[Key, dict[str | None, dict[str, object]]]
    stamps: dict[str, str]
    exceeded: dict[str, tuple[str, ...]]

    def plan(self) -> dict[str, Planned]:
        graph = {one.key: one for one in self.nodes.values()}
        found = Situation(graph, self.shards, self.records, self._outside).out_of_date()
        assert all((one.key, one.shard) == partition for partition, one in found.items())
        return {one.name: one for one in found.values()}

    def _outside(self, node: Node, shard: str | None) -> tuple[Mapping[str, str], tuple[str, ...]]:
        stamp = self.stamps.get(label((node.key, shard)))
        return ({} if stamp is None else {"file": stamp}), self.exceeded.get(node.name, ())

    def partitions(self) -> Iterator[Partition]:
        for one in self.nodes.values():
            yield from ((one.key, shard) for shard in (self.shards if one.is_sharded else [None]))

    def inputs(self, partition: Partition) -> list[Partition]:
        """Written once more, by names alone."""
        (name,), shard = partition
        sources = [self.nodes[key[0]] for key in self.nodes[name].inputs]
        is_own = self.nodes[name].is_sharded and not self.nodes[name].gathers
        return [
            (source.key, part)
            for source in sources
            for part in ([None] if not source.is_sharded else [shard] if is_own else self.shards)
        ]

    def make(self, partition: Partition, version: str, **more: object) -> None:
        """Record a partition as made now, with some content."""
        (name,), shard = partition
        one = self.nodes[name]
        inputs = {label(source): self.records[source[0]][source[1]]["data_version"] for source in self.inputs(partition)}
        inputs |= self._outside(one, shard)[0]
        made = {"code_version": one.code_version, "parameters": dict(one.parameters), "inputs": inputs}
        self.records[one.key][shard] = {**made, "data_version": version, **more}

    def edit(self, name: str) -> None:
        self.nodes[name] = replace(self.nodes[name], parameters={"p": 1})


def label(partition: Partition) -> str:
    (name,), shard = partition
    return name if shard is None else f"{name}[{shard}]"


@pytest.fixture
def world() -> World:
    """The chain, with everything made."""
    return chain(SHARDS)


def chain(shards: list[str]) -> World:
    made = World({one.name: one for one in CHAIN}, list(shards), {one.key: {} for one in CHAIN}, {}, {})
    for partition in made.partitions():
        made.make(partition, f"v {label(partition)}")
    return made


def test_nothing_is_planned_when_everything_was_made(world: World) -> None:
    assert world.plan() == {}


def test_all_that_is_missing_is_certain_and_only_what_lacks_no_input_is_ready(world: World) -> None:
    world.records = {key: {} for key in world.records}
    plan = world.plan()
    assert list(plan) == [label(partition) for partition in world.partitions()]
    assert {(one.reasons, one.is_certain, one.held_back_by) for one in plan.values()} == {(("missing",), True, "")}
    assert [name for name, one in plan.items() if one.is_ready] == ["pool[00000]", "pool[00001]", "encoder"]


def test_an_edit_is_certain_and_what_reads_it_is_not(world: World) -> None:
    world.edit("features")
    plan = world.plan()
    assert plan["features[00000]"].reasons == ("parameter p: 0 -> 1",)
    assert plan["features[00000]"].is_ready
    assert {name: (one.reasons, one.is_certain, one.fingerprint) for name, one in plan.items() if "features" not in name} == {
        "clusters[00000]": (("if features[00000] changes",), False, ""),
        "clusters[00001]": (("if features[00001] changes",), False, ""),
        "report": (("if clusters[00000] or 1 more changes",), False, ""),
    }


def test_an_edit_below_an_edit_is_certain_but_waits(world: World) -> None:
    world.edit("features")
    world.edit("clusters")
    one = world.plan()["clusters[00001]"]
    assert (one.reasons, one.is_certain, one.is_ready) == (("parameter p: 0 -> 1",), True, False)


def test_the_same_content_ends_the_wave_and_another_carries_it_on(world: World) -> None:
    world.edit("features")
    world.make((("features",), "00000"), "v features[00000]")
    world.make((("features",), "00001"), "another")
    plan = world.plan()
    assert list(plan) == ["clusters[00001]", "report"]
    assert plan["clusters[00001]"].reasons == ("input features[00001]: v features[00001] -> another",)
    assert [one.is_ready for one in plan.values()] == [True, False]


def test_the_fingerprint_says_what_it_would_be_made_from(world: World) -> None:
    world.edit("features")
    before = world.plan()["features[00000]"].fingerprint
    record = {"code_version": "1", "parameters": {"p": 1}, "inputs": {"pool[00000]": "v pool[00000]", "encoder": "v encoder"}}
    assert before == json_digest(record)
    world.make((("pool",), "00000"), "another")
    assert world.plan()["features[00000]"].fingerprint not in ("", before)


def test_a_failed_check_holds_back_all_that_reads_it_and_nothing_else(world: World) -> None:
    world.make((("pool",), "00000"), "v pool[00000]", **{FAILED_CHECKS: ["accounting"]})
    plan = world.plan()
    assert list(plan) == ["features[00000]", "clusters[00000]", "report"]
    assert {one.held_back_by for one in plan.values()} == {"pool[00000]"}
    assert not any(one.is_certain or one.is_ready for one in plan.values())


def test_a_failed_partition_that_is_made_anew_holds_nothing_back(world: World) -> None:
    world.stamps["pool[00000]"] = "1"
    world.make((("pool",), "00000"), "v pool[00000]", **{FAILED_CHECKS: ["accounting"]})
    world.stamps["pool[00000]"] = "2"
    plan = world.plan()
    assert plan["pool[00000]"].reasons == ("input file: 1 -> 2",)
    assert plan["pool[00000]"].is_ready
    assert {one.held_back_by for one in plan.values()} == {""}


def test_a_pinned_input_is_no_reason_but_is_waited_for(world: World) -> None:
    world.make((("pool",), "00000"), "another")
    assert "centroids" not in world.plan()
    world.edit("centroids")
    one = world.plan()["centroids"]
    assert (one.reasons, one.is_certain, one.is_ready, one.held_back_by) == (("parameter p: 0 -> 1",), True, False, "")
    world.make((("features",), "00000"), "another")
    assert world.plan()["centroids"].is_ready


def test_a_pinned_input_that_failed_holds_back_only_what_would_be_made(world: World) -> None:
    world.nodes["features"] = node("features", "pool")
    for shard, more in (("00000", {FAILED_CHECKS: ["unit_norm"]}), ("00001", {})):
        world.make((("features",), shard), f"v features[{shard}]", **more)
    assert list(world.plan()) == ["clusters[00000]", "report"]
    world.edit("encoder")
    assert world.plan()["centroids"].held_back_by == "", "it may stay as it is"
    world.edit("centroids")
    plan = world.plan()
    assert plan["centroids"].held_back_by == "features[00000]"
    assert plan["clusters[00001]"].held_back_by == "features[00000]"


def test_a_limit_that_was_passed_is_a_reason(world: World) -> None:
    world.exceeded["centroids"] = ("drift 0.3 exceeds 0.1",)
    plan = world.plan()
    assert plan["centroids"].reasons == ("drift 0.3 exceeds 0.1",)
    assert plan["centroids"].is_ready
    assert plan["clusters[00000]"].reasons == ("if centroids changes",)


def test_a_shard_that_left_is_certain_for_what_read_all_and_one_that_came_is_awaited(world: World) -> None:
    world.shards = ["00000"]
    assert {name: one.reasons for name, one in world.plan().items()} == {
        "report": ("input clusters[00001]: v clusters[00001] -> absent",)
    }
    world.shards = [*SHARDS, "00002"]
    plan = world.plan()
    assert list(plan) == ["pool[00002]", "features[00002]", "clusters[00002]", "report"]
    assert plan["report"].reasons == ("if clusters[00002] changes",)


def test_150_shards_are_all_looked_at() -> None:
    """Dagster's own staleness stops looking at 100."""
    world = chain([f"{i:05d}" for i in range(150)])
    world.make((("clusters",), "00149"), "another")
    assert {name: one.is_ready for name, one in world.plan().items()} == {"report": True}
    for shard in ("00003", "00100", "00148"):
        world.stamps[f"pool[{shard}]"] = "new"
    plan = world.plan()
    assert len(plan) == 3 * 3 + 1
    assert plan["report"].reasons == ("input clusters[00149]: v clusters[00149] -> another",)
    world.make((("clusters",), "00149"), "v clusters[00149]")
    assert world.plan()["report"].reasons == ("if clusters[00003] or 2 more changes",)


def test_what_gathers_reads_all_shards_for_each_of_its_own(world: World) -> None:
    world.nodes["clusters"] = replace(world.nodes["clusters"], gathers=True)
    for shard in SHARDS:
        world.make((("clusters",), shard), f"v clusters[{shard}]")
    assert world.plan() == {}
    world.make((("features",), "00001"), "another")
    plan = world.plan()
    assert list(plan) == ["clusters[00000]", "clusters[00001]", "report"]
    assert plan["clusters[00000]"].reasons == ("input features[00001]: v features[00001] -> another",)
    world.make((("clusters",), "00000"), "v clusters[00000]")
    assert list(world.plan()) == ["clusters[00001]", "report"]


def test_versions_are_those_that_may_be_read() -> None:
    records = {
        "00000": {"data_version": "a"},
        "00001": {"data_version": "b", FAILED_CHECKS: ["bounds"]},
        None: {"data_version": 1},
    }
    assert data_versions(records) == {"00000": "a", None: "1"}
