"""A pool of folders from end to end: shards, stamps, and pictures that are found again."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from curation_assets.holdings.project import Project, open_project
from curation_assets.holdings.shards import shard_files, shard_stamp
from curation_assets.recipe import check_recipe
from tests.resources.test_image_folder import png
from tests.small_project import run_apply

pytestmark = pytest.mark.slow  # makes lakes


def project_of(folder: Path, path: object = "pool") -> Project:
    pool = {"path": path, "format": "folder", "max_removed_fraction": 1}
    subsets = {"worded": {"keep": [{"caption_length": {"min_words": 2}}]}}
    content = {"pool": pool, "encoder": {"model": "tiny", "pretrained": "tiny"}, "subsets": subsets}
    return open_project(check_recipe(content, folder / "curation.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("", "cats", "dogs/small"):
        place = tmp_path / "pool" / name
        place.mkdir(parents=True, exist_ok=True)
        for number in range(3):
            (place / f"{number}.png").write_bytes(png(number + 10 * len(name)))
            (place / f"{number}.txt").write_text(f"a {name or 'thing'} number {number}")
    (tmp_path / "pool" / "nothing").mkdir()
    return tmp_path


def test_folders_with_files_are_shards(folder: Path) -> None:
    shutil.copytree(folder / "pool" / "cats", folder / "more" / "cats")
    (folder / "pool" / "linked").symlink_to(folder / "more")
    assert list(shard_files(project_of(folder).recipe)) == ["cats", "dogs__small", "root"]
    assert list(shard_files(project_of(folder, "*").recipe)) == ["more__cats", "pool", "pool__cats", "pool__dogs__small"]
    assert list(shard_files(project_of(folder, "pool/dogs").recipe)) == ["small"]


def test_a_stamp_covers_every_file_of_its_folder_and_no_other(folder: Path) -> None:
    recipe = project_of(folder).recipe

    def stamps() -> dict[str, object]:
        return {name: shard_stamp(recipe, path) for name, path in shard_files(recipe).items()}

    seen = [stamps()]
    for change in (
        lambda: (folder / "pool/cats/0.txt").write_text("another caption"),
        lambda: (folder / "pool/cats/1.png").rename(folder / "pool/cats/7.png"),
        lambda: (folder / "pool/cats/2.txt").unlink(),
        lambda: (folder / "pool/cats/9.txt").symlink_to("0.txt"),
    ):
        change()
        seen.append(stamps())
    assert len({str(one["cats"]) for one in seen}) == 5
    assert len({str([one["root"], one["dogs__small"]]) for one in seen}) == 1
    shutil.rmtree(folder / "pool" / "cats")
    assert shard_stamp(recipe, folder / "pool" / "cats") == {"file:pool/cats": "unreadable: No such file or directory"}


def test_from_files_to_a_subset(folder: Path, instance: dg.DagsterInstance) -> None:
    project = project_of(folder)
    assert not run_apply(project, instance).failed
    pool = project.lake.read("raw_pool").to_pylist()
    assert [row["tar"] for row in pool if row["shard"] == "dogs__small"] == [f"pool/dogs/small/{n}.png" for n in range(3)]
    assert len(project.lake.read("subsets/worded")) == 9
    assert project.lake.read("embeddings")["reason"].null_count == 9
    assert not run_apply(project, instance).materialized
    (folder / "pool" / "cats" / "0.txt").write_text("another")
    shutil.rmtree(folder / "pool" / "dogs")
    result = run_apply(project, instance)
    assert not result.failed
    assert {"raw_pool[cats]", "embeddings[cats]", "raw_pool[dogs__small]"} <= set(result.materialized)
    assert "raw_pool[root]" not in result.materialized
    assert project.records(("embeddings",))["cats"]["rows_reused"] == 2
    assert len(project.lake.read("subsets/worded")) == 5
