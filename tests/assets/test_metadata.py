"""What the Dagster UI shows: schemas, counts, pictures of bounded size, and hostile captions made inert."""

import base64
import io
import json
import re

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from curation_assets.assets.apply import Applied
from curation_assets.assets.build import build_definitions
from curation_assets.assets.pictures import LARGEST_BYTES, contact_sheet, histogram, line_chart, png
from curation_assets.holdings.project import Project

Curated = tuple[Project, Applied, dg.DagsterInstance]
METADATA_LIMIT_BYTES = 200_000


def metadata_of(instance: dg.DagsterInstance, project: Project) -> dict[tuple[str, ...], dict[str, dg.MetadataValue]]:
    """Newest metadata of every artifact."""
    return {
        key: instance.get_latest_materialization_event(dg.AssetKey(key)).asset_materialization.metadata for key in project.graph
    }


def test_every_asset_says_what_it_is(applied: Curated) -> None:
    graph = build_definitions(applied[0].recipe).resolve_asset_graph()
    for key, node in applied[0].graph.items():
        asset = graph.get(dg.AssetKey(key))
        assert asset.description, node.name
        assert asset.group_name == node.group
        assert "deltalake" in asset.kinds
        columns = asset.metadata["dagster/column_schema"].columns
        assert [column.name for column in columns] == list(node.table.names)
        assert all(column.description for column in columns)
        assert (asset.partitions_def is not None) == node.is_sharded


def test_gpu_steps_share_a_pool(applied: Curated) -> None:
    graph = build_definitions(applied[0].recipe).resolve_asset_graph()
    pools = {key: graph.get(dg.AssetKey(key)).pools for key in applied[0].graph}
    assert {key for key, pool in pools.items() if pool == {"gpu"}} == {
        ("encoder",),
        ("embeddings",),
        ("centroids",),
        ("cluster_assignments",),
    }


def test_metadata_has_counts_pictures_and_stays_small(applied: Curated) -> None:
    project, _, instance = applied
    for key, metadata in metadata_of(instance, project).items():
        stored = json.dumps({name: str(value.value) for name, value in metadata.items()})
        assert len(stored) < METADATA_LIMIT_BYTES, key
        assert "dagster/partition_row_count" in metadata or "dagster/row_count" in metadata
    found = metadata_of(instance, project)
    for key, name in [(("scores", "clip_score"), "histogram_clip_score"), (("subsets", "aligned"), "contact_sheet")]:
        encoded = re.fullmatch(r"!\[[\w ,]+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", found[key][name].value)
        assert encoded, key
        assert Image.open(io.BytesIO(base64.b64decode(encoded[1]))).width > 100
    assert 0 < found[("subsets", "basic")]["kept_fraction"].value < 1


def test_hostile_captions_are_inert(applied: Curated) -> None:
    """The drawn pool has captions with scripts, escape codes and overrides; none reaches the event log alive."""
    project, _, instance = applied
    texts = project.lake.read("raw_pool", columns=["text"])["text"].to_pylist()
    assert any("\x1b" in text for text in texts)
    assert any("\u202e" in text for text in texts)
    live = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
    for key, metadata in metadata_of(instance, project).items():
        for name, value in metadata.items():
            if isinstance(value, dg.TableMetadataValue):
                assert not any(live.search(str(cell)) for record in value.records for cell in record.data.values()), key
            elif isinstance(value, dg.MarkdownMetadataValue):
                assert value.value.startswith("!["), (key, name)
                assert "<" not in value.value


@pytest.mark.parametrize("values", [[], [1.0], [2.0] * 9, list(np.linspace(-1, 1, 500))])
def test_charts_of_any_numbers(values: list[float]) -> None:
    for draw in (histogram, line_chart):
        assert draw(np.array(values)).size == (480, 160)


def test_a_picture_that_compresses_badly_is_made_smaller() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), dtype=np.uint8))
    assert len(png(noise)) <= LARGEST_BYTES


def test_a_contact_sheet_of_nothing_is_a_picture() -> None:
    assert contact_sheet([], []).size == (640, 36)
