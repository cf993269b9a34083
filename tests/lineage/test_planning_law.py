"""The plan of any graph and any records: equal to its definition, read off one partition at a time, and true when it is run."""

from hypothesis import event, given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.digest import json_digest
from curation_assets.lineage.freshness import Partition
from curation_assets.lineage.planning import FAILED_CHECKS
from curation_assets.nodes import Node
from tests.lineage.test_planning import SHARDED, WHOLE, World, label

FAILED = {FAILED_CHECKS: ["bounds"]}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few artifacts that read each other, all made, and then much that has changed since."""
    nodes: dict[str, Node] = {}
    for i in range(draw(st.integers(2, 6))):
        inputs = draw(st.lists(st.sampled_from(sorted(nodes)), unique=True)) if nodes else []
        pinned = draw(st.lists(st.sampled_from(inputs), unique=True, max_size=1)) if inputs else []
        keys, kept = tuple((name,) for name in inputs), tuple((name,) for name in pinned)
        table = SHARDED if draw(st.booleans()) else WHOLE
        gathers = table is SHARDED and draw(st.sampled_from([False, False, True]))
        nodes[f"n{i}"] = Node((f"n{i}",), "group", table, keys, "1", {"p": 0}, pinned=kept, gathers=gathers)
    shards = [f"{i}" for i in range(draw(st.integers(1, 3)))]
    world = World(nodes, shards, {node.key: {} for node in nodes.values()}, {}, {})
    for partition in world.partitions():
        world.make(partition, draw(st.sampled_from("xy")))
    world.shards = draw(st.sampled_from([shards, shards, shards[:-1], [*shards, "new"]])) or shards
    for change in draw(st.lists(st.sampled_from([edit, drop, fail, alter, touch, exceed]), min_size=1, max_size=5)):
        change(world, draw(st.sampled_from(list(world.partitions()))))
    return world


def edit(world: World, partition: Partition) -> None:
    world.edit(partition[0][0])


def drop(world: World, partition: Partition) -> None:
    world.records[partition[0]].pop(partition[1], None)


def fail(world: World, partition: Partition) -> None:
    world.records[partition[0]].get(partition[1], {}).update(FAILED)


def alter(world: World, partition: Partition) -> None:
    world.records[partition[0]].get(partition[1], {}).update(data_version="z")


def touch(world: World, partition: Partition) -> None:
    if not world.nodes[partition[0][0]].gathers:  # what gathers reads no file of its own
        world.stamps[label(partition)] = "1"


def exceed(world: World, partition: Partition) -> None:
    if partition[1] is None:
        world.exceeded[partition[0][0]] = ("drift 0.3 exceeds 0.1",)


class Definition:
    """The rule in words: what is settled can be read and will not be made; all else follows, one partition at a time."""

    def __init__(self, world: World) -> None:
        self.world = world

    def record(self, partition: Partition) -> dict[str, object] | None:
        return self.world.records[partition[0]].get(partition[1])

    def is_settled(self, partition: Partition) -> bool:
        record = self.record(partition)
        return record is not None and FAILED_CHECKS not in record and not self.is_planned(partition)

    def is_planned(self, partition: Partition) -> bool:
        return self.is_certain(partition) or not all(map(self.is_settled, self.unpinned(partition)))

    def is_certain(self, partition: Partition) -> bool:
        """Whether it differs from its record in something that is known already."""
        record, node = self.record(partition), self.world.nodes[partition[0][0]]
        if record is None or node.name in self.world.exceeded:
            return True
        if (record["code_version"], record["parameters"]) != (node.code_version, node.parameters):
            return True
        skipped = {label(source) for source in self.world.inputs(partition) if not self.is_settled(source)}
        now, then = self.known(partition), record["inputs"]
        names = {name for name in {*now, *then} - skipped if (name.split("[")[0],) not in node.pinned}
        return any(now.get(name) != then.get(name) for name in names)

    def unpinned(self, partition: Partition) -> list[Partition]:
        pinned = self.world.nodes[partition[0][0]].pinned
        return [source for source in self.world.inputs(partition) if source[0] not in pinned]

    def known(self, partition: Partition) -> dict[str, object]:
        """Versions of the inputs that are settled, and the stamp of a file."""
        settled = [source for source in self.world.inputs(partition) if self.is_settled(source)]
        versions = {label(source): self.record(source)["data_version"] for source in settled}
        stamp = self.world.stamps.get(label(partition))
        return versions if stamp is None else {**versions, "file": stamp}

    def culprits(self, partition: Partition) -> set[str]:
        """What failed and will not be made, and so keeps a partition from being made."""
        sources = self.world.inputs(partition) if self.is_certain(partition) else self.unpinned(partition)
        planned = [self.culprits(source) for source in sources if self.is_planned(source)]
        failed = {label(source) for source in sources if not self.is_planned(source) and not self.is_settled(source)}
        return failed.union(*planned)


@settings(deadline=None, max_examples=300)
@given(worlds())
def test_the_plan_is_what_the_definition_says(world: World) -> None:
    rule, plan = Definition(world), world.plan()
    assert list(plan) == [label(partition) for partition in world.partitions() if rule.is_planned(partition)]
    for partition in world.partitions():
        if (one := plan.get(label(partition))) is None:
            continue
        node = world.nodes[partition[0][0]]
        assert one.is_certain == rule.is_certain(partition)
        assert one.reasons
        assert one.held_back_by in (rule.culprits(partition) or {""})
        parts = {"code_version": node.code_version, "parameters": node.parameters, "inputs": rule.known(partition)}
        is_known = all(map(rule.is_settled, world.inputs(partition)))
        assert one.fingerprint == (json_digest(parts) if is_known else "")


@settings(deadline=None, max_examples=300)
@given(worlds(), st.data())
def test_running_the_plan_makes_each_once_with_need_and_only_what_was_planned(world: World, data: st.DataObject) -> None:
    """Whatever comes out of each partition: what it had, something else, or something that fails a blocking check."""
    first, made = world.plan(), set()
    places = {label(partition): partition for partition in world.partitions()}
    while ready := [name for name, one in world.plan().items() if one.is_ready and not one.held_back_by]:
        name = data.draw(st.sampled_from(ready))
        partition, rule = places[name], Definition(world)
        assert name not in made, "made twice"
        assert rule.is_certain(partition), "made without need"
        assert all(map(rule.is_settled, world.inputs(partition))), "made before its inputs"
        made.add(name)
        before = rule.record(partition) or {"data_version": "first"}
        version, more = data.draw(st.sampled_from([(before["data_version"], {}), (f"{name}'", {}), ("bad", FAILED)]))
        world.exceeded.pop(partition[0][0], None)
        world.make(partition, version, **more)
    left = world.plan()
    assert made <= set(first)
    assert all(one.held_back_by for one in left.values()), "left stale"
    assert {name for name, one in first.items() if one.is_certain} <= made | set(left)
    event(f"{len(made)} made, {len(left)} held back")
