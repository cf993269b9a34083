"""The asset graph of a recipe: order, inputs, what an edit touches, circles, and the default recipe's as a golden file."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import RecipeError, SchemaError
from curation_assets.graph import build_graph
from curation_assets.instances import Instances
from curation_assets.nodes import Graph, Node, column_owners, cut_key, partitions
from curation_assets.recipe import check_recipe, load_recipe
from curation_assets.scores import all_scores
from curation_assets.spec import Score
from curation_assets.tables import Key

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "graph.json"
REGENERATE = "REGENERATE_GOLDEN"
DEFAULT = load_recipe(ROOT / "curation.yaml")
CONTENT = """
pool: {path: a.tar}
encoder: {train: filter_network}
filter_network: {train_on: basic}
subsets:
  basic: {keep: [english_caption, {caption_length: {min_words: 3}}]}
  aligned: {from: basic, keep: [{clip_score: {top_fraction: 0.5}}, {any: [{clip_score: {min: 0.1}}, image_size]}]}
  hard: {from: aligned, keep: [{prototype_distance: {top_fraction: 0.5}}, {clip_score: {top_fraction: 0.2, over: pool}}]}
"""


def graph_of(content: dict[str, object]) -> Graph:
    return build_graph(check_recipe(content, ROOT / "curation.yaml"))


def edited(*path: str | int, value: object) -> Graph:
    """Graph of CONTENT with one value replaced or added."""
    content = yaml.safe_load(CONTENT)
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return graph_of(content)


def changed(other: Graph) -> set[str]:
    """Names of the nodes of CONTENT that are not the same in another graph."""
    base = graph_of(yaml.safe_load(CONTENT))
    return {"/".join(key) for key in base.keys() | other.keys() if base.get(key) != other.get(key)}


def is_topological(graph: Graph) -> bool:
    place = {key: number for number, key in enumerate(graph)}
    return all(place[source] < place[node.key] for node in graph.values() for source in node.inputs)


def test_every_node_comes_after_its_inputs_and_is_keyed_by_its_name():
    graph = build_graph(DEFAULT)
    assert is_topological(graph)
    assert all(key == node.key and node.name == "/".join(key) for key, node in graph.items())
    assert all(len(node.inputs) == len(set(node.inputs)) for node in graph.values())


def test_tables_written_by_another_step_depend_on_the_same():
    graph = graph_of(yaml.safe_load(CONTENT))
    pairs = [(node, graph[node.made_with]) for node in graph.values() if node.made_with is not None]
    assert {node.key[0] for node, _ in pairs} == {"rejected_samples", "decisions"}
    for node, maker in pairs:
        assert maker.made_with is None
        assert (node.inputs, node.code_version, node.parameters) == (maker.inputs, maker.code_version, maker.parameters)
        assert node.is_sharded == maker.is_sharded


@given(st.permutations(["a", "b", "c", "d"]), st.lists(st.integers(0, 3), min_size=4, max_size=4))
@settings(max_examples=40, deadline=None)
def test_any_chain_of_subsets_is_ordered(order: list[str], sources: list[int]):
    # The subset at place i of the permutation narrows one of those before it, or the pool.
    keep = [{"clip_score": {"top_fraction": 0.5}}]
    subsets = {}
    for i, name in enumerate(order):
        source = {"from": order[sources[i]]} if sources[i] < i else {}
        subsets[name] = {"keep": keep, **source}
    content = {"pool": {"path": "a"}, "encoder": {"model": "m", "pretrained": "p"}, "subsets": dict(sorted(subsets.items()))}
    graph = graph_of(content)
    assert is_topological(graph)
    assert {("subsets", name) for name in order} <= graph.keys()


def test_inputs_of_scores_own_the_columns_that_they_ask_for():
    graph = build_graph(DEFAULT)
    nodes = [node for node in graph.values() if node.key[0] == "scores"]
    for node in nodes:
        for source in node.instance.sources.values():
            assert set(source.columns) <= set(graph[source.key].table.names)
            assert source.key in node.inputs
        assert node.inputs[0] == ("raw_pool",), "rows are aligned by the pool"
    assert set(column_owners(graph)) == {column.name for node in nodes for column in node.instance.columns}


def test_a_score_of_unknown_columns_lists_the_known_ones():
    score = Score(compute=lambda probs, text: probs, columns=(), source="made up", version="1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(all_scores(), "el2n", score)
        with pytest.raises(SchemaError, match=r"score 'el2n' asks for 'probs', but there is no such column; known: .*text"):
            Instances({}, ()).score("el2n")


DATACOMP = """
pool: {path: a.parquet, format: datacomp}
encoder: {features: {image: l14_img, text: l14_txt}}
subsets: {good: {keep: [{clip_l14_similarity_score: {min: 0.25}}]}}
"""


def test_stored_scores_and_features_take_the_place_of_measured_ones():
    graph = graph_of(yaml.safe_load(DATACOMP))
    assert graph[("pool_scores",)].made_with == ("raw_pool",)
    assert graph[("scores", "clip_l14_similarity_score")].inputs == (("raw_pool",), ("pool_scores",))
    assert ("scores", "clip_b32_similarity_score") not in graph, "made for those alone who filter by it"
    assert graph[("encoder",)].parameters == {"features": {"image": "l14_img", "text": "l14_txt"}}
    assert graph[("embeddings",)].inputs == (("raw_pool",), ("encoder",))
    nullable = {column.name for column in graph[("raw_pool",)].table.columns if column.is_nullable}
    strict = {column.name for column in graph_of(yaml.safe_load(CONTENT))[("raw_pool",)].table.columns if column.is_nullable}
    assert nullable - strict == {"width", "height", "format", "image_sha256", "tar", "offset_bytes", "image_bytes"}


def test_other_features_change_the_encoder_and_what_is_read_of_them():
    content = yaml.safe_load(DATACOMP)
    base = graph_of(content)
    content["encoder"]["features"] = {"image": "b32_img", "text": "b32_txt"}
    other = graph_of(content)
    assert {key[0] for key in base if base[key] != other[key]} == {"encoder", "embeddings"}


def test_a_stored_score_needs_a_pool_that_has_it():
    content = yaml.safe_load(CONTENT)
    content["subsets"]["stored"] = {"keep": [{"clip_b32_similarity_score": {"min": 0.2}}]}
    fault = "scores/clip_b32_similarity_score needs pool_scores, which a pool of format webdataset does not have"
    with pytest.raises(RecipeError, match=fault):
        graph_of(content)


def test_the_same_recipe_gives_the_same_graph():
    assert changed(graph_of(yaml.safe_load(CONTENT))) == set()


def test_an_edited_threshold_changes_its_subset_and_nothing_else():
    other = edited("subsets", "basic", "keep", 1, value={"caption_length": {"min_words": 4}})
    assert changed(other) == {"subsets/basic", "decisions/basic"}


def test_an_edited_fraction_changes_its_subset_and_its_cut():
    other = edited("subsets", "aligned", "keep", 0, value={"clip_score": {"top_fraction": 0.6}})
    assert changed(other) == {"subsets/aligned", "decisions/aligned", "cuts/aligned/cut_1"}


def test_a_filter_on_another_score_changes_the_inputs_of_its_subset_only():
    other = edited("subsets", "basic", "keep", value=["english_caption"])
    assert changed(other) == {"subsets/basic", "decisions/basic"}
    assert ("scores", "caption_length") not in other[("subsets", "basic")].inputs


def test_another_source_changes_the_subset_and_the_cut_taken_over_its_source():
    other = edited("subsets", "hard", "from", value="basic")
    assert changed(other) == {"subsets/hard", "decisions/hard", "cuts/hard/cut_1"}


def test_an_added_subset_changes_nothing_else():
    other = edited("subsets", "more", value={"keep": [{"clip_score": {"top_fraction": 0.1}}]})
    assert changed(other) == {"subsets/more", "decisions/more", "cuts/more/cut_1"}


def test_renaming_of_a_subset_changes_those_that_read_it():
    content = yaml.safe_load(CONTENT)
    content["subsets"]["best"] = content["subsets"].pop("aligned")
    content["subsets"]["hard"]["from"] = "best"
    assert {name.split("/")[1] for name in changed(graph_of(content))} == {"aligned", "best", "hard"}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("clusters",), {"k": 5}, {"centroids"}),
        (("pool", "path"), "b.tar", set()),
        (("pool", "verify"), "decode", {"raw_pool", "rejected_samples"}),
        (("filter_network", "epochs"), 3, {"filter_network"}),
        (("filter_network", "train_on"), "english", {"filter_network"}),
        (("encoder", "batch_size"), 3, set()),
        (("encoder", "device"), "cpu", set()),
        (("encoder", "decode_workers"), 0, set()),
        (("encoder", "precision"), "bf16", {"embeddings", "centroids"}),  # frozen centroids see no change of embeddings
        (("subsets", "basic", "kept_fraction"), [0.1, 0.9], set()),
        (("subsets", "basic", "publish"), True, {"datasets/basic"}),
        (("lake",), "elsewhere", set()),
    ],
)
def test_a_setting_changes_what_it_decides_and_no_more(path: tuple[str, ...], value: object, expected: set[str]):
    content = yaml.safe_load(CONTENT)
    content["subsets"]["english"] = {"keep": ["english_caption"]}
    base = graph_of(content)
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    other = graph_of(content)
    assert {"/".join(key) for key in base.keys() | other.keys() if base.get(key) != other.get(key)} == expected


def test_cuts_are_numbered_in_the_order_of_the_recipe_and_read_their_population():
    graph = graph_of(yaml.safe_load(CONTENT))
    assert graph[cut_key("hard", 0)].inputs == (("subsets", "aligned"), ("scores", "prototype_distance"))
    assert graph[cut_key("hard", 1)].inputs == (("raw_pool",), ("scores", "clip_score"))
    assert [key for key in graph[("subsets", "hard")].inputs if key[0] == "cuts"] == [cut_key("hard", 0), cut_key("hard", 1)]
    assert not graph[cut_key("hard", 0)].is_sharded


def test_a_filter_used_twice_is_measured_once():
    keep = [{"any": [{"clip_score": {"top_fraction": 0.2}}, {"not": {"clip_score": {"top_fraction": 0.2}}}]}]
    graph = edited("subsets", "twice", value={"keep": keep})
    assert [key for key in graph if key[:2] == ("cuts", "twice")] == [cut_key("twice", 0)]
    assert sum(key == ("scores", "clip_score") for key in graph) == 1


def test_a_filter_network_trained_on_what_needs_it_is_a_circle():
    with pytest.raises(RecipeError, match=r"these need each other in a circle: .*filter_network.*scores/clip_score") as caught:
        edited("filter_network", "train_on", value="aligned")
    assert "filter_network.train_on must name a subset whose filters need no embeddings" in str(caught.value)


def test_without_training_the_encoder_reads_nothing():
    content = yaml.safe_load(CONTENT)
    content |= {"encoder": {"model": "ViT-B-32", "pretrained": "tag"}}
    del content["filter_network"]
    graph = graph_of(content)
    assert graph[("encoder",)].inputs == ()
    assert ("filter_network",) not in graph
    content["filter_network"] = {"train_on": "hard"}
    assert ("subsets", "hard") in graph_of(content)[("filter_network",)].inputs, "no circle when it is not the encoder"


def test_partitions_are_the_shards_or_the_whole():
    graph = build_graph(DEFAULT)
    assert partitions(graph[("embeddings",)], ["b", "a"]) == ["b", "a"]
    assert partitions(graph[("embeddings",)], []) == []
    assert partitions(graph[("centroids",)], ["b", "a"]) == partitions(graph[("centroids",)], []) == [None]


def test_parameters_survive_json():
    # They are recorded as JSON: a tuple among them would come back as a list and look changed for ever.
    for graph in (build_graph(DEFAULT), graph_of(yaml.safe_load(CONTENT))):
        for node in graph.values():
            assert json.loads(json.dumps(node.parameters, allow_nan=False)) == node.parameters, node.name


def listed(node: Node) -> dict[str, object]:
    made_with: Key | None = node.made_with
    return {
        "group": node.group,
        "is_sharded": node.is_sharded,
        "code_version": node.code_version,
        "inputs": ["/".join(key) for key in node.inputs],
        "made_with": None if made_with is None else "/".join(made_with),
        "columns": list(node.table.names),
    }


def test_graph_of_the_default_recipe_is_the_golden_one():
    present = {node.name: listed(node) for node in build_graph(DEFAULT).values()}
    if os.environ.get(REGENERATE):
        GOLDEN.write_text(json.dumps(present, indent=1) + "\n", encoding="utf-8")
    recorded = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert (present, list(present)) == (recorded, list(recorded)), (
        f"the lineage changed; if that is meant, run: {REGENERATE}=1 python -m pytest tests/test_graph.py -k golden"
    )


def test_everything_that_keeps_vectors_depends_on_how_they_are_made():
    """The weights are the same, so the encoder's version does not tell, and frozen things see no change of embeddings."""
    content = yaml.safe_load(CONTENT) | {"targets": {"flowers": {"path": "flowers"}, "given": {"path": "v.npy"}}}
    content |= {"encoder": {"model": "ViT-B-32", "pretrained": "tag"}, "filter_network": None}
    content["subsets"] |= {"x": {"keep": [{"negcliploss": {"min": -1}}]}}
    base = graph_of(content)
    for setting, value in (("precision", "bf16"), ("model", "ViT-B-32-quickgelu"), ("preprocess_as", "openai")):
        other = graph_of(content | {"encoder": content["encoder"] | {setting: value}})
        different = {"/".join(key) for key in base if base[key] != other[key]} - {"encoder"}
        assert different == {"embeddings", "centroids", "targets/flowers", "summaries/reference_pairs"}, setting


def test_summaries_with_other_settings_have_other_names():
    lists = {"a": {"classes": "lists/a.txt"}, "b": {"classes": "lists_a.txt"}, "c": {"classes": "größe.txt"}}
    made = Instances({"text_based_copies": lists})
    keys = {made.score("text_based_copies", label).sources["class_counts"].key for label in lists}
    assert len(keys) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_]{1,80}", key[-1]) for key in keys)
    pairs = Instances({"negcliploss": {"x": {}}}).score("negcliploss", "x").sources["reference_pairs"]
    assert pairs.key == ("summaries", "reference_pairs")
