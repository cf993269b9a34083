"""Subsets that are published by themselves: a version when the content changes, planned and recorded like all others."""

import json
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from curation_assets.assets.build import build_definitions
from curation_assets.assets.plan import plan_project
from curation_assets.audit.publish import publish
from curation_assets.audit.verify import verify, version_to_verify
from curation_assets.audit.versions import versions
from curation_assets.graph import build_graph
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import read_state
from curation_assets.holdings.status import artifact_status
from resources.delta import Part
from tests.small_project import SUBSETS, make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

NAME = "datasets/aligned"


def subsets(top_fraction: float = 0.5, *, is_published: bool = True) -> Mapping[str, object]:
    return SUBSETS | {
        "aligned": {"from": "basic", "keep": [{"clip_score": {"top_fraction": top_fraction}}], "publish": is_published}
    }


def due(project: Project) -> list[str]:
    return [one.name for one in plan_project(read_state(project)).due]


def names(project: Project) -> list[str]:
    return [version.name for version in versions(project)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("datasets")


def test_a_changed_subset_is_published_and_an_unchanged_one_is_not(drawn_pool: Path, folder: Path) -> None:
    pool = drawn_pool / "pool" / "*.tar"
    project = make_project(folder, pool, subsets())
    assert NAME in due(project)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_apply(project, instance).materialized[NAME] == ["missing"]
        assert (names(project), due(project)) == (["aligned@1"], [])
        assert run_apply(project, instance).materialized == {}

        event = instance.get_latest_materialization_event(dg.AssetKey(["datasets", "aligned"])).asset_materialization
        assert event.metadata["dataset_version"].value == "aligned@1"
        assert event.metadata["dagster/row_count"].value == 1
        assert event.metadata["rows"].value == versions(project)[0].manifest["rows"]
        assert event.metadata["path"].value == str(versions(project)[0].folder)
        assert set(event.metadata["manifest"].value) == {"note", "published_at", "funnel", "filters", "licences", "packages"}
        assert event.tags["dagster/data_version"] == versions(project)[0].manifest["content_digest"]
        run_id = versions(project)[0].manifest["run_id"]
        assert instance.get_run_by_id(run_id) is not None

        smaller = make_project(folder, pool, subsets(0.25))
        applied = run_apply(smaller, instance)
        assert (applied.failed, names(smaller), due(smaller)) == ({}, ["aligned@1", "aligned@2"], [])
        assert applied.materialized[NAME][0].startswith("input subsets/aligned[00000]: ")
        assert [verify(smaller, version_to_verify(smaller, "aligned", n), rebuild=True).findings for n in (1, 2)] == [[], []]

        # By hand, while the asset is about to be made: the asset has nothing left to do.
        other = make_project(folder, pool, subsets(0.4))
        run_apply(make_project(folder, pool, subsets(0.4, is_published=False)), instance)
        assert due(other) == [NAME]
        version, is_new = publish(other, "aligned", "by hand")
        assert (version.name, is_new, due(other)) == ("aligned@3", True, [])
        assert run_apply(other, instance).materialized == {}


def test_other_inputs_with_the_same_content_renew_the_record_alone(drawn_pool: Path, tmp_path: Path) -> None:
    """As after a change of samples that the subset's filters drop: nothing that a version holds is different."""
    pool = drawn_pool / "pool" / "*.tar"
    project = make_project(tmp_path, pool, {"all": {"keep": [{"image_size": {"min_side_px": 1}}], "publish": True}})
    with dg.DagsterInstance.ephemeral() as instance:
        run_apply(project, instance)
        record = project.records(("datasets", "all"))[None]
        stale = {**record, "run_id": "", "inputs": {**record["inputs"], "subsets/all[00000]": "other"}}
        project.lake.write("datasets/all", [Part(None, None, stale)])
        assert due(project) == ["datasets/all"]
        applied = run_apply(project, instance)
        assert list(applied.materialized) == ["datasets/all"]
        assert (names(project), due(project)) == (["all@1"], [])
        event = instance.get_latest_materialization_event(dg.AssetKey(["datasets", "all"])).asset_materialization
        assert "previous_run" not in event.metadata, "nobody's run"
        renewed = project.records(("datasets", "all"))[None]
        assert (renewed["inputs"], renewed["rows"]) == (record["inputs"], 1)
        shown = artifact_status(read_state(project), project.graph["datasets", "all"])
        assert (shown.name, shown.rows, shown.made, shown.out_of_date) == ("datasets/all", 1, 1, 0)


def test_no_node_without_publish(drawn_pool: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path, drawn_pool / "pool" / "*.tar", subsets(is_published=False))
    assert not [key for key in project.graph if key[0] == "datasets"]
    wanted = make_project(tmp_path, drawn_pool / "pool" / "*.tar", subsets())
    graph = build_graph(wanted.recipe)
    node = graph["datasets", "aligned"]
    assert {key: graph[key] for key in graph if key != node.key} == project.graph
    assert (node.group, node.is_sharded, node.inputs) == ("datasets", False, (("raw_pool",), ("subsets", "aligned")))
    asset = build_definitions(wanted.recipe).resolve_asset_graph().get(dg.AssetKey(node.key))
    assert "aligned" in asset.description
    assert asset.group_name == "datasets"
    assert json.loads(json.dumps(node.parameters)) == {}
