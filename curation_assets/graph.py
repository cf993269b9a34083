"""The asset graph of a recipe as plain data: what each artifact reads, which parameters and code it depends on.

Dagster's assets, the rule that says what is out of date, and the command line are all made from these nodes, so there is
only one opinion of what depends on what.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from .algorithms.labels import label_of, labelled
from .audit_tables import DATASET
from .errors import RecipeError
from .instance import Instance
from .keep import columns_of, describe, fractions
from .nodes import Graph, Node, column_owners, cut_key, method_node
from .recipe import Recipe, SubsetPlan, recipe_instances
from .spec import Fraction
from .tables import (
    CENTROIDS,
    CLUSTER_ASSIGNMENTS,
    CLUSTER_DRIFT,
    CUT,
    DECISIONS,
    EMBEDDINGS,
    ENCODER,
    FILTER_NETWORK,
    PERCEPTUAL_HASHES,
    POOL_SCORES,
    REJECTED_SAMPLES,
    SUBSET,
    TARGET_EMBEDDINGS,
    Key,
    pool_table,
)

# Raised by hand when the numbers that an asset writes change for the same input; scores and filters carry their own.
CODE_VERSIONS = {
    "raw_pool": "1",
    "filter_network": "1",
    "encoder": "1",
    "embeddings": "1",
    "perceptual_hashes": "1",
    "centroids": "1",
    "cluster_assignments": "1",
    "cluster_drift": "1",
    "targets": "1",
    "cuts": "1",
    "subsets": "1",
    "datasets": "1",
}


_HASHES: Key = ("perceptual_hashes",)
_CLUSTERING = ("centroids", "cluster_assignments")


def build_graph(recipe: Recipe) -> Graph:
    """All nodes of a recipe, every node after its inputs.

    Raises:
        RecipeError: artifacts need each other in a circle.
        SchemaError: a score asks for unknown columns.
    """
    nodes = [*_pool_nodes(recipe), *_feature_nodes(recipe), *_target_nodes(recipe), *_method_nodes(recipe)]
    owners = column_owners({node.key: node for node in nodes})
    for plan in recipe.subsets:
        nodes += _subset_nodes(plan, owners)
        nodes += [dataset_node(plan.name)] if recipe.file.subsets[plan.name].publish else []
    return _in_order({node.key: node for node in nodes}, recipe)


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
    for label in recipe.encoders:
        yield from _encoder_nodes(recipe, label)
    for label in recipe.clusterings:
        yield from _cluster_nodes(recipe, label)


def _encoder_nodes(recipe: Recipe, label: str) -> Iterator[Node]:
    section, encoder = recipe.encoders[label], labelled("encoder", label)
    embeddings, inputs = labelled("embeddings", label), (("raw_pool",), encoder)
    if section.features is not None:  # the encoder's place is taken by the names of features that the pool holds
        names = {"features": dict(section.features)}
        yield Node(encoder, "encoder", ENCODER, (), CODE_VERSIONS["encoder"], names)
        yield Node(embeddings, "features", EMBEDDINGS, inputs, CODE_VERSIONS["embeddings"], names)
        return
    weights = section.model_dump(mode="json", include={"model", "pretrained", "train"})
    trained = (("filter_network",),) if section.train else ()
    yield Node(encoder, "encoder", ENCODER, trained, CODE_VERSIONS["encoder"], weights)
    yield Node(embeddings, "features", EMBEDDINGS, inputs, CODE_VERSIONS["embeddings"], _architecture(recipe, label))


def _architecture(recipe: Recipe, label: str) -> dict[str, object]:
    """What else decides a vector: the same weights in another architecture (ViT-B-32-quickgelu), or fed with other
    preprocessing, give others. All that keeps vectors of an encoder depends on it."""
    section = recipe.encoders[label]
    if section.features is not None:
        return {}
    architecture = section.model_dump(mode="json", include={"precision", "model", "preprocess_as"})
    if recipe.checkpoint(label) is None and not section.preprocess_as:
        architecture["preprocess_as"] = section.pretrained  # a tag prepares pictures in its own way
    return architecture


def _cluster_nodes(recipe: Recipe, label: str) -> Iterator[Node]:
    clusters, centroids, assignments = recipe.clusterings[label], *(labelled(n, label) for n in _CLUSTERING)
    settings = clusters.model_dump(mode="json", exclude={"policy", "max_drift", "given"})
    version, features = CODE_VERSIONS["centroids"], (("raw_pool",), ("embeddings",))
    if clusters.given is not None:
        settings = {"assignment": clusters.assignment}
        yield Node(centroids, "clusters", CENTROIDS, (), version, settings, outside=(clusters.given,))
    else:
        read = (*features, ("subsets", clusters.fit_on)) if clusters.fit_on else features
        # Vectors of another encoder are another space, so centroids never outlive their encoder, whatever the policy.
        pinned = () if clusters.policy == "always" else read
        settings |= _architecture(recipe, "")
        yield Node(centroids, "clusters", CENTROIDS, (*read, ("encoder",)), version, settings, pinned=pinned)
    assigned: tuple[Key, ...] = (("embeddings",), centroids)
    yield Node(assignments, "clusters", CLUSTER_ASSIGNMENTS, assigned, CODE_VERSIONS["cluster_assignments"], {})
    if not label:
        drift = (centroids, assignments)
        yield Node(("cluster_drift",), "clusters", CLUSTER_DRIFT, drift, CODE_VERSIONS["cluster_drift"], {})


def _target_nodes(recipe: Recipe) -> Iterator[Node]:
    for name, target in recipe.file.targets.items():
        key, version = ("targets", name), CODE_VERSIONS["targets"]
        inputs = () if target.kind == "vectors" else (("encoder",),)
        settings = {"prompt": target.prompt} if target.kind == "names" else {}
        settings |= {} if target.kind == "vectors" else _architecture(recipe, "")
        yield Node(key, "targets", TARGET_EMBEDDINGS, inputs, version, settings, outside=(target.path,))


def _method_nodes(recipe: Recipe) -> list[Node]:
    """Scores that are always made, that the recipe names, or that a subset filters by; and what they read in turn."""
    instances = recipe_instances(recipe.file)
    used = [column for plan in recipe.subsets for column in columns_of(plan.keep)]
    waiting = [*instances.required(), *(owner for c in used if (owner := instances.owner(c)) is not None)]
    found: dict[Key, Instance] = {}
    while waiting:
        one = waiting.pop(0)
        if one.key not in found:
            found[one.key] = one
            waiting += [i for source in one.sources.values() if (i := instances.made(source.key)) is not None]
    nodes = [_with_architecture(method_node(found[key]), recipe) for key in sorted(found)]
    if any(_HASHES in node.inputs for node in nodes):  # a picture is decoded for its hash alone where a method asks for it
        version = CODE_VERSIONS["perceptual_hashes"]
        nodes.append(Node(_HASHES, "features", PERCEPTUAL_HASHES, (("raw_pool",),), version, {}))
    return nodes


def _with_architecture(node: Node, recipe: Recipe) -> Node:
    """A frozen summary of embeddings does not see them change, so it depends on what makes them."""
    labels = [label for key in node.pinned if (label := label_of(key, "embeddings")) is not None]
    known = {name: value for label in labels for name, value in _architecture(recipe, label).items()}
    return replace(node, parameters={**node.parameters, **known}) if known else node


def _subset_nodes(plan: SubsetPlan, owners: Mapping[str, Key]) -> Iterator[Node]:
    source: Key = ("raw_pool",) if plan.source is None else ("subsets", plan.source)
    cuts = list(enumerate(fractions(plan.keep)))
    for number, fraction in cuts:
        yield _cut_node(plan.name, number, fraction, (source, owners))
    columns = columns_of(plan.keep)
    scores = tuple(dict.fromkeys(owners[column] for column in columns))
    inputs = tuple(dict.fromkeys([source, *scores, *(cut_key(plan.name, number) for number, _ in cuts)]))
    parameters = {"keep": describe(plan.keep)}
    key: Key = ("subsets", plan.name)
    yield Node(key, "subsets", SUBSET, inputs, CODE_VERSIONS["subsets"], parameters)
    yield Node(("decisions", plan.name), "subsets", DECISIONS, inputs, CODE_VERSIONS["subsets"], parameters, made_with=key)


def dataset_node(subset: str) -> Node:
    """The published versions of a subset: its rows, and what raw_pool says of them."""
    inputs: tuple[Key, ...] = (("raw_pool",), ("subsets", subset))
    return Node(("datasets", subset), "datasets", DATASET, inputs, CODE_VERSIONS["datasets"], {})


def _cut_node(subset: str, number: int, fraction: Fraction, read: tuple[Key, Mapping[str, Key]]) -> Node:
    source, owners = read
    population: Key = ("raw_pool",) if fraction.over == "pool" else source
    inputs = (population, owners[fraction.column])
    parameters = {"column": fraction.column, "fraction": fraction.fraction, "keep": fraction.keep}
    parameters |= {"is_parity": True} if fraction.is_parity else {}
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
