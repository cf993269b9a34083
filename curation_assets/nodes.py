"""A node of the asset graph: one artifact, what it reads, and which parameters and code it depends on."""

from collections.abc import Mapping
from dataclasses import dataclass

from .algorithms.labels import label_of, labelled
from .instance import Instance
from .spec import Score
from .tables import REASON, ROW, SHARD, Column, Key, Table


@dataclass(frozen=True)
class Node:
    """One artifact: an asset, and the table of the same name.

    Args:
        key: name in parts, such as ("scores", "clip_score"); joined by / it is the table's place in the lake.
        group: group in the Dagster UI.
        table: its columns.
        inputs: nodes that it reads. A shard reads the same shard of a sharded input; an unsharded node reads all shards.
        code_version: of the code that makes it.
        parameters: plain JSON values of the recipe that the artifact itself depends on, and no others.
        made_with: node whose step writes this table too; None when it has a step of its own.
        pinned: inputs that it reads, but whose changes alone do not make it out of date (frozen centroids).
        gathers: whether each of its shards reads all shards of its inputs, and all are made together (clusters span shards).
        instance: of a score or summary, the method with its settings.
        outside: files and folders that it reads outside the lake, relative to the recipe's folder.
    """

    key: Key
    group: str
    table: Table
    inputs: tuple[Key, ...]
    code_version: str
    parameters: Mapping[str, object]
    made_with: Key | None = None
    pinned: tuple[Key, ...] = ()
    gathers: bool = False
    instance: Instance | None = None
    outside: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "/".join(self.key)

    @property
    def is_sharded(self) -> bool:
        return self.table.is_sharded


Graph = dict[Key, Node]


def partitions(node: Node, shards: list[str]) -> list[str | None]:
    """Partitions of a node: the shards, or None alone."""
    return list(shards) if node.is_sharded else [None]


def column_owners(graph: Graph) -> dict[str, Key]:
    """The asset that each column of a score comes from."""
    scores = [node for key, node in graph.items() if key[0] == "scores" and node.instance is not None]
    return {column.name: node.key for node in scores for column in node.instance.columns}


def cut_key(subset: str, number: int) -> Key:
    """Asset of a fraction in a subset's filters, counted from 0 in the order of the recipe."""
    return ("cuts", subset, f"cut_{number + 1}")


def assignments_of(instance: Instance) -> Key:
    """The clustering that a score of whole clusters is by."""
    return labelled("cluster_assignments", str(instance.settings.get("clustering", "")))


def method_node(instance: Instance) -> Node:
    """Node of a score or a summary: its inputs are the owners of the columns that it asks for."""
    method, (group, _) = instance.method, instance.key
    sources = [source.key for source in instance.sources.values()]
    settings = {name: value for name, value in instance.settings.items() if name not in instance.outside}
    parameters = {
        "columns": [f"{column.name} {column.type}" for column in instance.columns],
        **({"settings": settings} if settings else {}),
    }
    outside = tuple(instance.outside.values())
    if isinstance(method, Score):
        gathers = method.scope != "sample"
        always: list[Key] = [("raw_pool",), assignments_of(instance)] if method.scope == "cluster" else [("raw_pool",)]
        inputs, table, pinned = tuple(dict.fromkeys([*always, *sources])), score_table(instance.columns), ()
    else:
        gathers, inputs, table = False, tuple(dict.fromkeys(sources)), Table(instance.columns, is_sharded=False)
        if method.is_frozen:
            labels = [label for key in inputs if (label := label_of(key, "embeddings")) is not None]
            pinned, inputs = inputs, (*inputs, *(labelled("encoder", label) for label in labels))
        else:
            pinned = ()
    return Node(
        key=instance.key,
        group=group,
        table=table,
        inputs=inputs,
        code_version=method.version,
        parameters=parameters,
        pinned=pinned,
        gathers=gathers,
        instance=instance,
        outside=outside,
    )


def score_table(columns: tuple[Column, ...]) -> Table:
    """Table of a score: its own columns, nullable, keyed by shard and row, with the reason of each NULL."""
    own = tuple(Column(c.name, c.type, c.meaning, is_nullable=True, bounds=c.bounds) for c in columns)
    return Table((SHARD, ROW, *own, REASON))
