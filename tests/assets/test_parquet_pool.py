"""A pool of parquet files from end to end: images inside, rows without bytes, a shard that cannot be read."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_assets.assets.encoder import NO_PIXELS
from curation_assets.holdings.project import Project, open_project
from curation_assets.recipe import check_recipe
from tests.resources.test_image_folder import png
from tests.small_project import run_apply

pytestmark = pytest.mark.slow  # makes lakes

SUBSETS: dict[str, object] = {"large": {"keep": [{"image_size": {"min_side_px": 16}}, {"clip_score": {"min": -1}}]}}


def project_of(folder: Path, **settings: object) -> Project:
    pool = {"path": "pool/*.parquet", "format": "parquet", "image_column": "jpg", **settings}
    content = {"pool": pool, "encoder": {"model": "tiny", "pretrained": "tiny"}, "subsets": SUBSETS}
    return open_project(check_recipe(content, folder / "curation.yaml"))


def write(path: Path, numbers: range, without: tuple[int, ...] = ()) -> None:
    path.parent.mkdir(exist_ok=True)
    columns = {
        "jpg": pa.array([None if n in without else {"bytes": png(n), "path": f"{n}.png"} for n in numbers]),
        "text": [f"a photo of thing {n}" for n in numbers],
        "url": [f"https://example.org/{n}.png" for n in numbers],
        "width": [20 for _ in numbers],
        "height": [23 for _ in numbers],
    }
    pq.write_table(pa.table(columns), path, row_group_size=4)


def test_from_a_file_to_a_subset(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    write(tmp_path / "pool" / "a.parquet", range(10), without=(2, 9))
    write(tmp_path / "pool" / "b.parquet", range(20, 26))
    (tmp_path / "pool" / "c.parquet").write_bytes(b"PAR1")
    project = project_of(tmp_path)
    assert not run_apply(project, instance).failed
    embedded = project.lake.read("embeddings", shard="a").to_pylist()
    assert {row["row"]: row["reason"] for row in embedded if row["reason"]} == {2: NO_PIXELS, 9: NO_PIXELS}
    assert all((row["image_embedding"] is None) == (row["row"] in (2, 9)) for row in embedded)
    pool = project.lake.read("raw_pool", shard="a").to_pylist()
    assert [row["tar"] for row in pool] == [None if n in (2, 9) else "pool/a.parquet" for n in range(10)]
    assert project.lake.read("subsets/large", shard="a")["row"].to_pylist() == [n for n in range(10) if n not in (2, 9)]
    assert project.lake.read("rejected_samples")["reason"].to_pylist() == ["unreadable_shard"]
    assert not run_apply(project, instance).materialized
    write(tmp_path / "pool" / "a.parquet", range(1, 10), without=(9,))
    result = run_apply(project, instance)
    assert not result.failed
    assert not [name for name in result.materialized if name.endswith("[b]") and not name.startswith("scores/prototype")]
    assert project.records(("embeddings",))["a"]["rows_made"] == 1, "the row that got its bytes; one of no bytes is taken over"


def test_urls_alone(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    write(tmp_path / "pool" / "a.parquet", range(4))
    project = project_of(tmp_path, image_column=None)
    assert not run_apply(project, instance).failed
    assert project.lake.read("embeddings")["reason"].to_pylist() == [NO_PIXELS] * 4
    assert project.lake.read("scores/image_size")["min_side_px"].to_pylist() == [20] * 4
    made = run_apply(project_of(tmp_path), instance)
    assert {"raw_pool[a]", "embeddings[a]"} <= set(made.materialized), "another column is another pool"
    assert project.lake.read("embeddings")["reason"].null_count == 4
