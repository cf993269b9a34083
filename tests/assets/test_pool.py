"""raw_pool and rejected_samples: all samples of real shards accounted for, and wide facts kept."""

from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from curation_assets.algorithms.identity import uid_hex
from curation_assets.assets.apply import Applied
from curation_assets.holdings.project import Project
from curation_assets.tables import RAW_POOL, REJECTED_SAMPLES
from tests.small_project import make_project, run_apply

REASON_OF = {
    "truncated_image": "truncated_image",
    "non_image_bytes": "not_an_image",
    "zero_byte_image": "zero_bytes",
    "bomb_header": "image_bomb",
}
RECIPE = {
    "basic": {"keep": ["english_caption", "caption_length", {"image_size": {"min_side_px": 100}}]},
    "aligned": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.3}}]},
    "unusual": {"keep": [{"any": [{"clip_score": {"min": 0.2}}, {"not": "english_caption"}]}]},
}


@pytest.fixture(scope="module")
def curated(real_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Applied]:
    """The real pool curated with the tiny encoder by a recipe of ours."""
    project = make_project(tmp_path_factory.mktemp("real"), real_pool / "pool" / "*.tar", RECIPE)
    with dg.DagsterInstance.ephemeral() as instance:
        return project, run_apply(project, instance)


@pytest.fixture(scope="module")
def truth(real_pool: Path) -> pl.DataFrame:
    """Ground truth by shard and key; used for assertions only."""
    return pl.read_parquet(real_pool / "ground_truth.parquet").with_columns(pl.col("shard").str.strip_suffix(".tar"))


def pool_of(project: Project) -> pl.DataFrame:
    return pl.from_arrow(project.lake.read("raw_pool"))


def rejected_of(project: Project) -> pl.DataFrame:
    return pl.from_arrow(project.lake.read("rejected_samples"))


@pytest.mark.slow
def test_real_pool_is_accounted_for(curated: tuple[Project, Applied], truth: pl.DataFrame) -> None:
    project, result = curated
    assert not result.failed
    assert not result.held_back
    pool, rejected = pool_of(project), rejected_of(project)
    seen = pl.concat([pool.select("shard", "key"), rejected.select("shard", "key")])
    assert len(seen) == 2886
    assert seen.sort("shard", "key").equals(truth.select("shard", "key").sort("shard", "key"))


@pytest.mark.slow
@pytest.mark.parametrize("defect", REASON_OF)
def test_broken_image_has_its_reason(curated: tuple[Project, Applied], truth: pl.DataFrame, defect: str) -> None:
    broken = truth.filter(pl.col("defect") == defect).select("shard", "key")
    reasons = broken.join(rejected_of(curated[0]), on=["shard", "key"], how="left")["reason"]
    assert reasons.to_list() == [REASON_OF[defect]] * len(broken)
    assert len(broken) > 0


@pytest.mark.slow
def test_decodable_images_stay(curated: tuple[Project, Applied], truth: pl.DataFrame) -> None:
    """All but the two that repeat a uid inside one shard, which identity forbids."""
    pool = pool_of(curated[0])
    missing = truth.filter("image_decodable").join(pool, on=["shard", "key"], how="anti")
    repeated = truth.filter(pl.struct("shard", "uid").is_duplicated())
    assert (
        missing.sort("key")["key"].to_list()
        == repeated.filter(pl.struct("shard", "uid").is_first_distinct().not_())["key"].sort().to_list()
    )
    assert len(missing) == 2


@pytest.mark.slow
def test_facts_agree_with_the_truth(curated: tuple[Project, Applied], truth: pl.DataFrame) -> None:
    pool = pool_of(curated[0])
    uid = pl.Series("pool_uid", uid_hex(pool["uid_hi"].to_numpy(), pool["uid_lo"].to_numpy()))
    ours = pool.with_columns(uid, pl.col("image_sha256").bin.encode("hex").alias("sha256")).join(
        truth, on=["shard", "key"], suffix="_true"
    )
    assert len(ours) == len(pool)
    for column, true in [("pool_uid", "uid"), ("width", "width_true"), ("height", "height_true"), ("text", "caption")]:
        assert ours.filter(pl.col(column).ne_missing(pl.col(true))).height == 0, column
    assert ours["sha256"].equals(ours["image_sha256_true"], check_names=False)
    mismatched = set(ours.filter(pl.col("defect") == "sha256_mismatch")["key"])
    assert set(ours.filter(pl.col("is_sha256_matching").eq_missing(False))["key"]) == mismatched


@pytest.mark.slow
def test_image_bytes_are_where_the_pool_says(curated: tuple[Project, Applied]) -> None:
    import hashlib

    for row in pool_of(curated[0]).sample(50, seed=0).to_dicts():
        with (curated[0].recipe.folder / row["tar"]).open("rb") as file:
            file.seek(row["offset_bytes"])
            assert hashlib.sha256(file.read(row["image_bytes"])).digest() == row["image_sha256"]


@pytest.mark.slow
def test_ledgers_account_for_every_row(curated: tuple[Project, Applied]) -> None:
    project = curated[0]
    for subset, source in [("basic", "raw_pool"), ("aligned", "subsets/basic"), ("unusual", "raw_pool")]:
        ledger = pl.from_arrow(project.lake.read(f"decisions/{subset}"))
        rows = pl.from_arrow(project.lake.read(source, columns=["uid_hi", "uid_lo"]))
        assert ledger.select("uid_hi", "uid_lo").equals(rows)
        kept = pl.from_arrow(project.lake.read(f"subsets/{subset}"))
        assert kept.equals(ledger.filter("is_kept").select(kept.columns))
        assert ledger.filter(pl.col("is_kept") != pl.col("filter").is_null()).height == 0
    aligned, basic = (len(project.lake.read(f"subsets/{name}")) for name in ("aligned", "basic"))
    assert aligned == int(0.3 * basic + 1e-9)


def test_stored_schemas_are_the_declared_ones(applied: tuple[Project, Applied, dg.DagsterInstance]) -> None:
    project = applied[0]
    for node in project.graph.values():
        stored = project.lake.read(node.name)
        assert set(stored.column_names) == set(node.table.names), node.name
        for column in node.table.columns:
            assert stored.schema.field(column.name).type == column.type, (node.name, column.name)
            if not column.is_nullable:
                assert stored[column.name].null_count == 0, (node.name, column.name)
    assert RAW_POOL.is_sharded
    assert REJECTED_SAMPLES.is_sharded


def test_sample_tables_are_aligned_with_the_pool(applied: tuple[Project, Applied, dg.DagsterInstance]) -> None:
    project = applied[0]
    for shard, record in project.records(("raw_pool",)).items():
        row = project.lake.read("raw_pool", shard=shard)["row"].to_numpy()
        for node in project.graph.values():
            if node.key[0] in ("embeddings", "cluster_assignments", "scores"):
                other = project.lake.read(node.name, shard=shard)["row"].to_numpy()
                assert np.array_equal(row, other), node.name
                assert project.records(node.key)[shard]["uid_digest"] == record["uid_digest"], node.name
