"""The asset graph of a recipe as plain data: what each artifact reads, which parameters and code it depends on.

Dagster's assets, the rule that says what is out of date, and the command line are all made from these nodes, so there is
only one opinion of what depends on what.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .errors import RecipeError, SchemaError
from .recipe import Recipe, SubsetPlan
from .scores import all_scores
from .spec import Fraction, Score, describe, fractions, leaves
from .tables import (
    CENTROIDS,
    CLUSTER_ASSIGNMENTS,
    CLUSTER_DRIFT,
    CUT,
    DECISIONS,
    EMBEDDINGS,
    ENCODER,
    FILTER_NETWORK,
    MEASURED,
    POOL_SCORES,
    REJECTED_SAMPLES,
    SUBSET,
    Table,
    pool_table,
    score_table,
)

Key = tuple[str, ...]

# Raised by hand when the numbers that an asset writes change for the same input; scores and filters carry their own.
CODE_VERSIONS = {
    "raw_pool": "1",
    "filter_network": "1",
    "encoder": "1",
    "embeddings": "1",
    "centroids": "1",
    "cluster_assignments": "1",
    "cluster_drift": "1",
    "cuts": "1",
    "subsets": "1",
}


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

    @property
    def name(self) -> str:
        return "/".join(self.key)

    @property
    def is_sharded(self) -> bool:
        return self.table.is_sharded


Graph = dict[Key, Node]


def build_graph(recipe: Recipe) -> Graph:
    """All nodes of a recipe, every node after its inputs.

    Raises:
        RecipeError: artifacts need each other in a circle.
        SchemaError: a score asks for unknown columns.
    """
    nodes = [*_pool_nodes(recipe), *_feature_nodes(recipe)]
    used = {condition.column for plan in recipe.subsets for leaf in leaves(plan.keep) for condition in leaf.conditions}
    for name, score in all_scores().items():
        # A score of whole clusters compares pairs, so it is made for those alone who filter by it.
        if (score.scope == "sample" and not score.is_on_demand) or used & {column.name for column in score.columns}:
            nodes.append(score_node(name, score))
    for plan in recipe.subsets:
        nodes += _subset_nodes(plan)
    return _in_order({node.key: node for node in nodes}, recipe)


def partitions(node: Node, shards: list[str]) -> list[str | None]:
    """Partitions of a node: the shards, or None alone."""
    return list(shards) if node.is_sharded else [None]


def column_owners() -> dict[str, Key]:
    """The asset that each column of a score comes from."""
    return {column.name: ("scores", name) for name, score in all_scores().items() for column in score.columns}


def cut_key(subset: str, number: int) -> Key:
    """Asset of a fraction in a subset's filters, counted from 0 in the order of the recipe."""
    return ("cuts", subset, f"cut_{number + 1}")


def _pool_nodes(recipe: Recipe) -> Iterator[Node]:
    pool = recipe.file.pool
    parameters = pool.model_dump(mode="json", include=pool.read_with)
    table, version = pool_table(has_pixels=pool.is_whole), CODE_VERSIONS["raw_pool"]
    yield Node(("raw_pool",), "pool", table, (), version, parameters)
    yield Node(("rejected_samples",), "pool", REJECTED_SAMPLES, (), version, parameters, made_with=("raw_pool",))
    if pool.has_scores:
        yield Node(("pool_scores",), "pool", POOL_SCORES, (), version, parameters, made_with=("raw_pool",))


def _feature_nodes(recipe: Recipe) -> Iterator[Node]:
    file = recipe.file
    if file.filter_network is not None:
        training = file.filter_network
        yield Node(
            ("filter_network",),
            "encoder",
            FILTER_NETWORK,
            (("raw_pool",), ("subsets", training.train_on)),
            CODE_VERSIONS["filter_network"],
            training.model_dump(mode="json", exclude={"train_on"}),
        )
    if file.encoder.features is not None:
        yield from _stored_feature_nodes(file.encoder.features)
        yield from _cluster_nodes(recipe)
        return
    weights = file.encoder.model_dump(mode="json", include={"model", "pretrained", "train"})
    trained = (("filter_network",),) if file.encoder.train else ()
    yield Node(("encoder",), "encoder", ENCODER, trained, CODE_VERSIONS["encoder"], weights)
    # The same weights in another architecture (ViT-B-32-quickgelu), or fed with other preprocessing, give other vectors.
    architecture = file.encoder.model_dump(mode="json", include={"precision", "model", "preprocess_as"})
    if recipe.checkpoint is None and not file.encoder.preprocess_as:
        architecture["preprocess_as"] = file.encoder.pretrained  # a tag prepares pictures in its own way
    pool_and_encoder: tuple[Key, ...] = (("raw_pool",), ("encoder",))
    yield Node(("embeddings",), "features", EMBEDDINGS, pool_and_encoder, CODE_VERSIONS["embeddings"], architecture)
    yield from _cluster_nodes(recipe)


def _stored_feature_nodes(features: Mapping[str, str]) -> Iterator[Node]:
    """The encoder's place is taken by the names of features that the pool holds."""
    yield Node(("encoder",), "encoder", ENCODER, (), CODE_VERSIONS["encoder"], {"features": dict(features)})
    inputs: tuple[Key, ...] = (("raw_pool",), ("encoder",))
    yield Node(("embeddings",), "features", EMBEDDINGS, inputs, CODE_VERSIONS["embeddings"], {"features": dict(features)})


def _cluster_nodes(recipe: Recipe) -> Iterator[Node]:
    clusters = recipe.file.clusters
    settings = clusters.model_dump(mode="json", exclude={"policy", "max_drift"})
    features: tuple[Key, ...] = (("raw_pool",), ("embeddings",))
    # Vectors of another encoder are another space, so centroids never outlive their encoder, whatever the policy.
    inputs = (*features, ("encoder",))
    pinned = () if clusters.policy == "always" else features
    yield Node(("centroids",), "clusters", CENTROIDS, inputs, CODE_VERSIONS["centroids"], settings, pinned=pinned)
    assigned: tuple[Key, ...] = (("embeddings",), ("centroids",))
    version = CODE_VERSIONS["cluster_assignments"]
    yield Node(("cluster_assignments",), "clusters", CLUSTER_ASSIGNMENTS, assigned, version, {})
    drifting: tuple[Key, ...] = (("centroids",), ("cluster_assignments",))
    yield Node(("cluster_drift",), "clusters", CLUSTER_DRIFT, drifting, CODE_VERSIONS["cluster_drift"], {})


def score_node(name: str, score: Score) -> Node:
    """Node of a score: its inputs are the owners of the columns that it asks for.

    Raises:
        SchemaError: it asks for a column that no table has.
    """
    owners = {column: (owner,) for owner, table in MEASURED.items() for column in table.names}
    unknown = [column for column in score.inputs if column not in owners]
    if unknown:
        raise SchemaError(f"score {name!r} asks for unknown columns {unknown}; known: {sorted(owners)}")
    gathers = score.scope == "cluster"
    always: list[Key] = [("raw_pool",), ("cluster_assignments",)] if gathers else [("raw_pool",)]
    inputs = tuple(dict.fromkeys([*always, *(owners[column] for column in score.inputs)]))
    columns = {"columns": [f"{column.name} {column.type}" for column in score.columns]}
    return Node(("scores", name), "scores", score_table(score.columns), inputs, score.version, columns, gathers=gathers)


def _subset_nodes(plan: SubsetPlan) -> Iterator[Node]:
    source: Key = ("raw_pool",) if plan.source is None else ("subsets", plan.source)
    owners = column_owners()
    cuts = list(enumerate(fractions(plan.keep)))
    for number, fraction in cuts:
        yield _cut_node(plan.name, number, fraction, source)
    columns = [condition.column for leaf in leaves(plan.keep) for condition in leaf.conditions]
    scores = tuple(dict.fromkeys(owners[column] for column in columns))
    inputs = tuple(dict.fromkeys([source, *scores, *(cut_key(plan.name, number) for number, _ in cuts)]))
    parameters = {"keep": describe(plan.keep)}
    key: Key = ("subsets", plan.name)
    yield Node(key, "subsets", SUBSET, inputs, CODE_VERSIONS["subsets"], parameters)
    yield Node(("decisions", plan.name), "subsets", DECISIONS, inputs, CODE_VERSIONS["subsets"], parameters, made_with=key)


def _cut_node(subset: str, number: int, fraction: Fraction, source: Key) -> Node:
    population: Key = ("raw_pool",) if fraction.over == "pool" else source
    inputs = (population, column_owners()[fraction.column])
    parameters = {"column": fraction.column, "fraction": fraction.fraction, "keep": fraction.keep}
    return Node(cut_key(subset, number), "subsets", CUT, inputs, CODE_VERSIONS["cuts"], parameters)


def _in_order(nodes: Graph, recipe: Recipe) -> Graph:
    absent = [f"{node.name} needs {'/'.join(key)}" for node in nodes.values() for key in node.inputs if key not in nodes]
    if absent:
        raise RecipeError(
            f"recipe {recipe.path}: {absent[0]}, which a pool of format {recipe.file.pool.format} does not have; "
            "filter by another score, or read a pool of format datacomp"
        )
    ordered: Graph = {}
    while ready := [n for n in nodes.values() if n.key not in ordered and all(key in ordered for key in n.inputs)]:
        ordered |= {node.key: node for node in ready}
    if len(ordered) < len(nodes):
        circle = ", ".join(node.name for node in nodes.values() if node.key not in ordered)
        raise RecipeError(
            f"recipe {recipe.path}: these need each other in a circle: {circle}. "
            "filter_network.train_on must name a subset whose filters need no embeddings"
        )
    return ordered
