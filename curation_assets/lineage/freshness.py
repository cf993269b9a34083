"""The one rule that says what is out of date: recorded fingerprints against present ones. Pure; nothing else decides.

A partition is out of date when it is missing, its code version changed, its own parameters changed, or the data version of
an input that it really reads differs from the recorded one.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from curation_assets.errors import LakeError
from curation_assets.nodes import Graph, Node, partitions
from curation_assets.tables import Key

Partition = tuple[Key, str | None]
# Data version of each partition that exists: {asset: {shard or None: version}}.
Versions = Mapping[Key, Mapping[str | None, str]]


@dataclass(frozen=True)
class Fingerprint:
    """What a partition depends on.

    Args:
        code_version: of the code that makes it.
        parameters: those of the recipe that it uses itself.
        inputs: data versions by partition name, such as `embeddings[00000]`, and stamps of files.
        pinned: names of inputs whose changes alone are no reason.
        exceeded: measured limits of the recipe that have been passed, as reasons in words.
    """

    code_version: str
    parameters: Mapping[str, object]
    inputs: Mapping[str, str]
    pinned: frozenset[str] = frozenset()
    exceeded: tuple[str, ...] = ()

    def as_record(self) -> dict[str, object]:
        """What is kept with the partition, as plain JSON values."""
        return {"code_version": self.code_version, "parameters": dict(self.parameters), "inputs": dict(self.inputs)}


def partition_name(name: str, shard: str | None) -> str:
    """An artifact's partition for people and records: `embeddings[00000]`, or `centroids`."""
    return name if shard is None else f"{name}[{shard}]"


def input_partitions(node: Node, shard: str | None, graph: Graph, shards: list[str]) -> list[tuple[Node, str | None]]:
    """Partitions that one partition of a node reads: its own shard, or all shards for a node that has none or gathers."""
    sources = [graph[key] for key in node.inputs]
    return [
        (source, part)
        for source in sources
        for part in ([shard] if node.is_sharded and source.is_sharded and not node.gathers else partitions(source, shards))
    ]


def present_fingerprint(
    node: Node,
    shard: str | None,
    graph: Graph,
    shards: list[str],
    versions: Versions,
    *,
    stamps: Mapping[str, str],
    exceeded: tuple[str, ...] = (),
    without: Container[Partition] = (),
) -> Fingerprint:
    """Fingerprint that a partition would be made with now.

    Args:
        node: what would be made.
        shard: which partition of it.
        graph: all nodes.
        shards: all shards of the pool.
        versions: data versions of what exists.
        stamps: files outside the lake that it reads, by name, with a stamp that changes when they do.
        exceeded: measured limits that have been passed.
        without: inputs to leave out, because nobody knows yet what they will be; not to make anything.

    Raises:
        LakeError: an input does not exist yet.
    """
    inputs = dict(stamps)
    for source, part in input_partitions(node, shard, graph, shards):
        version = versions.get(source.key, {}).get(part)
        name = partition_name(source.name, part)
        if (source.key, part) in without:
            continue
        if version is None:
            raise LakeError(
                f"{partition_name(node.name, shard)} reads {name}, which has not been materialized or failed a "
                "blocking check; materialize it first, or run curate apply"
            )
        inputs[name] = version
    pinned = frozenset(graph[key].name for key in node.pinned)
    return Fingerprint(node.code_version, dict(node.parameters), inputs, pinned, exceeded)


def reasons_out_of_date(recorded: Mapping[str, object] | None, present: Fingerprint, without: Container[str] = ()) -> list[str]:
    """Why a partition is out of date, as lines for people; empty when it is up to date.

    Args:
        recorded: the record of the commit that wrote it, with code_version, parameters and inputs; None when it is missing.
        present: what it would be made with now.
        without: names of inputs that are not compared.
    """
    if recorded is None:
        return ["missing"]
    reasons = []
    if recorded.get("code_version") != present.code_version:
        reasons.append(f"code version {recorded.get('code_version')} -> {present.code_version}")
    reasons += _differences("parameter", recorded.get("parameters"), present.parameters)
    reasons += _differences(
        "input", _but(recorded.get("inputs"), present.pinned, without), _but(present.inputs, present.pinned)
    )
    return [*reasons, *present.exceeded]


def _but(inputs: object, pinned: frozenset[str], without: Container[str] = ()) -> object:
    """The inputs whose changes count."""
    if not isinstance(inputs, Mapping) or not (pinned or without):
        return inputs
    return {name: v for name, v in inputs.items() if name not in without and name.partition("[")[0] not in pinned}


def _differences(kind: str, recorded: object, present: Mapping[str, object]) -> list[str]:
    before = recorded if isinstance(recorded, Mapping) else {}
    if before == present:
        return []
    lines = []
    for name in sorted(before.keys() | present.keys()):
        if name not in before or name not in present:
            lines.append(f"{kind} {name}: {_short(before.get(name, 'absent'))} -> {_short(present.get(name, 'absent'))}")
        else:
            changes = _changes(name, before[name], present[name])
            lines += [f"{kind} {path}: {_short(old)} -> {_short(new)}" for path, old, new in changes]
    return lines


def _changes(path: str, old: object, new: object) -> list[tuple[str, object, object]]:
    """Where two JSON values differ, as deep as they have the same shape: a threshold, not the tree that it stands in."""
    if isinstance(old, Mapping) and isinstance(new, Mapping) and old.keys() == new.keys():
        return [change for key in old for change in _changes(f"{path}.{key}", old[key], new[key])]
    if isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [change for i, (before, after) in pairs for change in _changes(f"{path}.{i}", before, after)]
    return [] if old == new else [(path, old, new)]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
