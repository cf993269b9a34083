"""The one rule that says what is out of date: each kind of reason, and none where nothing changed."""

import json
from pathlib import Path

import pytest
import yaml

from curation_assets.errors import LakeError
from curation_assets.graph import build_graph
from curation_assets.lineage.freshness import (
    Fingerprint,
    input_partitions,
    partition_name,
    present_fingerprint,
    reasons_out_of_date,
)
from curation_assets.nodes import Graph, Node, partitions
from curation_assets.recipe import check_recipe

CONTENT = """
pool: {path: a.tar}
encoder: {model: ViT-B-32, pretrained: tag}
clusters: {policy: always}
subsets:
  basic: {keep: [english_caption, {image_size: {min_side_px: 64}}]}
  aligned: {from: basic, keep: [{any: [{clip_score: {top_fraction: 0.5}}, {not: caption_length}]}]}
"""
SHARDS = ["00000", "00001"]
FRESH = Fingerprint("1", {"k": 5, "keep": {"all": [{"filter": "clip_score", "min": 0.28}]}}, {"raw_pool[00000]": "aa"})


def graph_of(text: str = CONTENT) -> Graph:
    return build_graph(check_recipe(yaml.safe_load(text), Path("/project/curation.yaml")))


def versions_of(graph: Graph, shards: list[str]) -> dict[tuple[str, ...], dict[str | None, str]]:
    """A data version for every partition."""
    return {n.key: {part: partition_name(f"v-{n.name}", part) for part in partitions(n, shards)} for n in graph.values()}


def fingerprint(node: Node, shard: str | None, graph: Graph, shards: list[str] = SHARDS, **stamps: str) -> Fingerprint:
    return present_fingerprint(node, shard, graph, shards, versions_of(graph, shards), stamps=stamps)


def recorded(present: Fingerprint) -> dict[str, object]:
    """A fingerprint as it comes back from a commit."""
    return json.loads(json.dumps(present.as_record()))


def test_what_is_missing_is_out_of_date():
    assert reasons_out_of_date(None, FRESH) == ["missing"]


def test_nothing_is_out_of_date_when_nothing_changed():
    assert reasons_out_of_date(recorded(FRESH), FRESH) == []


@pytest.mark.parametrize(
    ("present", "reasons"),
    [
        (Fingerprint("2", FRESH.parameters, FRESH.inputs), ["code version 1 -> 2"]),
        (Fingerprint("1", {**FRESH.parameters, "k": 6}, FRESH.inputs), ["parameter k: 5 -> 6"]),
        (Fingerprint("1", {**FRESH.parameters, "seed": None}, FRESH.inputs), ["parameter seed: absent -> None"]),
        (Fingerprint("1", {"keep": FRESH.parameters["keep"]}, FRESH.inputs), ["parameter k: 5 -> absent"]),
        (Fingerprint("1", FRESH.parameters, {"raw_pool[00000]": "bb"}), ["input raw_pool[00000]: aa -> bb"]),
        (
            Fingerprint("1", FRESH.parameters, {**FRESH.inputs, "raw_pool[00001]": "cc"}),
            ["input raw_pool[00001]: absent -> cc"],
        ),
        (Fingerprint("1", FRESH.parameters, {}), ["input raw_pool[00000]: aa -> absent"]),
        (
            Fingerprint("2", {**FRESH.parameters, "k": "auto"}, {"raw_pool[00000]": "bb"}),
            ["code version 1 -> 2", "parameter k: 5 -> auto", "input raw_pool[00000]: aa -> bb"],
        ),
    ],
)
def test_each_kind_of_change_is_a_reason(present: Fingerprint, reasons: list[str]):
    assert reasons_out_of_date(recorded(FRESH), present) == reasons


def test_a_value_that_reads_absent_is_told_from_one_that_is():
    present = Fingerprint("1", {"word": "absent"}, {})
    assert reasons_out_of_date(recorded(Fingerprint("1", {}, {})), present) == ["parameter word: absent -> absent"]
    assert reasons_out_of_date(recorded(present), present) == []


def test_a_changed_threshold_deep_in_a_tree_is_what_the_reason_shows():
    def keep(threshold: float) -> dict[str, object]:
        leaf = {"filter": "clip_score", "version": "1", "min": threshold, "max": None, "top_fraction": None, "over": "source"}
        return {"keep": {"all": [{"filter": "english_caption", "version": "1"}, {"any": [leaf, {"not": leaf}]}]}}

    old, new = Fingerprint("1", keep(0.28), {}), Fingerprint("1", keep(0.3), {})
    assert reasons_out_of_date(recorded(old), new) == [
        "parameter keep.all.1.any.0.min: 0.28 -> 0.3",
        "parameter keep.all.1.any.1.not.min: 0.28 -> 0.3",
    ]


def test_a_tree_of_another_shape_is_one_reason_of_bounded_length():
    old = Fingerprint("1", {"keep": {"all": ["a" * 100]}}, {})
    new = Fingerprint("1", {"keep": {"all": ["a" * 100, "b"]}}, {})
    (reason,) = reasons_out_of_date(recorded(old), new)
    assert reason.startswith("parameter keep.all: ['aaa")
    assert len(reason) < 150


def test_tuples_that_json_made_lists_are_no_change():
    present = Fingerprint("1", {"bounds": (0.0, 1.0), "tree": {"parts": ({"a": (1, 2)},)}}, {})
    assert reasons_out_of_date(recorded(present), present) == []
    (reason,) = reasons_out_of_date(recorded(present), Fingerprint("1", {**present.parameters, "bounds": (0.0, 0.9)}, {}))
    assert reason == "parameter bounds.1: 1.0 -> 0.9"


@pytest.mark.parametrize("record", [{}, {"code_version": None, "parameters": None, "inputs": None}, {"parameters": [1]}])
def test_a_record_without_its_parts_is_out_of_date(record: dict[str, object]):
    reasons = reasons_out_of_date(record, FRESH)
    assert reasons[0] == "code version None -> 1"
    assert "parameter k: absent -> 5" in reasons
    assert "input raw_pool[00000]: absent -> aa" in reasons


def test_every_partition_of_a_real_graph_is_fresh_after_its_own_record():
    graph = graph_of()
    for node in graph.values():
        for shard in partitions(node, SHARDS):
            present = fingerprint(node, shard, graph)
            assert reasons_out_of_date(recorded(present), present) == [], node.name


def test_a_shard_reads_its_own_shard_and_a_whole_reads_all():
    graph = graph_of()
    names = {
        (name, shard): [
            partition_name(source.name, part) for source, part in input_partitions(graph[key], shard, graph, SHARDS)
        ]
        for name, key, shard in [
            ("embeddings", ("embeddings",), "00001"),
            ("centroids", ("centroids",), None),
            ("aligned", ("subsets", "aligned"), "00000"),
        ]
    }
    assert names["embeddings", "00001"] == ["raw_pool[00001]", "encoder"]
    assert names["centroids", None] == [
        *("raw_pool[00000]", "raw_pool[00001]", "embeddings[00000]", "embeddings[00001]"),
        "encoder",
    ]
    assert names["aligned", "00000"] == [
        "subsets/basic[00000]",
        "scores/clip_score[00000]",
        "scores/caption_length[00000]",
        "cuts/aligned/cut_1",
    ]


def test_an_input_that_does_not_exist_is_named_with_what_to_do():
    graph = graph_of()
    versions = versions_of(graph, SHARDS)
    del versions[("embeddings",)]["00001"]
    with pytest.raises(LakeError, match=r"centroids reads embeddings\[00001\], which has not been materialized .*curate apply"):
        present_fingerprint(graph[("centroids",)], None, graph, SHARDS, versions, stamps={})
    del versions[("encoder",)]
    with pytest.raises(LakeError, match=r"embeddings\[00000\] reads encoder, which"):
        present_fingerprint(graph[("embeddings",)], "00000", graph, SHARDS, versions, stamps={})


def test_a_file_outside_the_lake_counts_by_its_stamp():
    graph = graph_of()
    node = graph[("raw_pool",)]
    record = recorded(fingerprint(node, "00000", graph, file="10:1"))
    assert reasons_out_of_date(record, fingerprint(node, "00000", graph, file="10:1")) == []
    assert reasons_out_of_date(record, fingerprint(node, "00000", graph, file="10:2")) == ["input file: 10:1 -> 10:2"]
    assert reasons_out_of_date(record, fingerprint(node, "00000", graph)) == ["input file: 10:1 -> absent"]


def test_a_new_shard_makes_only_what_reads_all_shards_out_of_date():
    graph = graph_of()
    stale = {
        partition_name(node.name, shard)
        for node in graph.values()
        for shard in partitions(node, SHARDS)
        if reasons_out_of_date(recorded(fingerprint(node, shard, graph)), fingerprint(node, shard, graph, [*SHARDS, "00002"]))
    }
    assert stale == {"centroids", "cluster_drift", "cuts/aligned/cut_1"}


def test_more_than_100_shards_are_all_looked_at():
    # Dagster's own staleness calls a fan-in of 100 partitions or more fresh without looking.
    graph = graph_of()
    shards = [f"{i:05d}" for i in range(150)]
    node = graph[("centroids",)]
    versions = versions_of(graph, shards)
    record = recorded(present_fingerprint(node, None, graph, shards, versions, stamps={}))
    versions[("embeddings",)]["00149"] = "other"
    present = present_fingerprint(node, None, graph, shards, versions, stamps={})
    assert reasons_out_of_date(record, present) == ["input embeddings[00149]: v-embeddings[00149] -> other"]


def test_an_edited_filter_makes_its_subset_and_cut_out_of_date():
    graph, other = graph_of(), graph_of(CONTENT.replace("top_fraction: 0.5", "top_fraction: 0.6"))
    stale = {
        node.name
        for node in graph.values()
        for shard in partitions(node, SHARDS)
        if reasons_out_of_date(recorded(fingerprint(node, shard, graph)), fingerprint(other[node.key], shard, other))
    }
    assert stale == {"subsets/aligned", "decisions/aligned", "cuts/aligned/cut_1"}


def test_frozen_centroids_are_out_of_date_by_their_encoder_alone():
    graph = graph_of(CONTENT.replace("always", "frozen"))
    node = graph[("centroids",)]
    record = recorded(fingerprint(node, None, graph))
    assert reasons_out_of_date(record, fingerprint(node, None, graph, [*SHARDS, "00002"])) == []
    versions = {**versions_of(graph, SHARDS), ("encoder",): {None: "another"}}
    present = present_fingerprint(node, None, graph, SHARDS, versions, stamps={})
    assert reasons_out_of_date(record, present) == ["input encoder: v-encoder -> another"]


def test_a_policy_alone_changes_nothing_that_is_recorded():
    frozen, always = graph_of(CONTENT.replace("always", "frozen")), graph_of()
    record = recorded(fingerprint(frozen[("centroids",)], None, frozen))
    assert reasons_out_of_date(record, fingerprint(always[("centroids",)], None, always)) == []


def test_a_passed_limit_is_a_reason():
    present = Fingerprint("1", FRESH.parameters, FRESH.inputs, exceeded=("drift 0.2 exceeds 0.1",))
    assert reasons_out_of_date(recorded(FRESH), present) == ["drift 0.2 exceeds 0.1"]
