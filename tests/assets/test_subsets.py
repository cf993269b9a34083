"""Subsets against a slow row-by-row recomputation, and their ledgers."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from curation_assets.holdings.project import Project
from tests.small_project import make_project, run_apply

SUBSETS = {
    "basic": {"keep": ["english_caption", {"caption_length": {"min_words": 3}}, {"image_size": {"min_side_px": 64}}]},
    "best": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.3}}]},
    "best_of_pool": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.3, "over": "pool"}}]},
    "two_ends": {"keep": [{"any": [{"clip_score": {"top_fraction": 0.1}}, {"prototype_distance": {"top_fraction": 0.1}}]}]},
    "odd": {"from": "best_of_pool", "keep": [{"not": {"image_size": {"min_side_px": 120}}}]},
    "none": {"from": "odd", "keep": [{"clip_score": {"min": 0.999}}]},
    "nothing_of_nothing": {"from": "none", "keep": [{"clip_score": {"top_fraction": 0.5}}]},
}


@pytest.fixture(scope="module")
def project(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("subsets"), drawn_pool / "pool" / "*.tar", SUBSETS)
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run_apply(made, instance).failed
    return made


@pytest.fixture(scope="module")
def rows(project: Project) -> list[dict[str, object]]:
    """All samples with all their scores, one dictionary each."""
    table = pl.from_arrow(project.lake.read("raw_pool"))
    for name in ("caption_language", "caption_length", "image_size", "clip_score", "prototype_distance"):
        table = table.join(pl.from_arrow(project.lake.read(f"scores/{name}")).drop("reason"), on=["shard", "row"])
    return table.to_dicts()


def uid(row: dict[str, object]) -> int:
    return ((int(row["uid_hi"]) % 2**64) << 64) + int(row["uid_lo"]) % 2**64


def best(rows: list[dict[str, object]], column: str, fraction: float) -> set[int]:
    ranked = sorted((row for row in rows if row[column] is not None), key=lambda row: (-row[column], uid(row)))
    return {uid(row) for row in ranked[: int(fraction * len(ranked) + 1e-9)]}


def stored(project: Project, name: str) -> set[int]:
    return {uid(row) for row in project.lake.read(f"subsets/{name}").to_pylist()}


def test_subsets_equal_a_row_by_row_computation(project: Project, rows: list[dict[str, object]]) -> None:
    basic = [
        row
        for row in rows
        if row["caption_language"] == "en"
        and row["caption_words"] >= 3
        and row["caption_chars"] >= 6
        and row["min_side_px"] >= 64
        and row["aspect_ratio"] <= 3
    ]
    kept_of_pool = best(rows, "clip_score", 0.3) & {uid(row) for row in basic}
    expected = {
        "basic": {uid(row) for row in basic},
        "best": best(basic, "clip_score", 0.3),
        "best_of_pool": kept_of_pool,
        "two_ends": best(rows, "clip_score", 0.1) | best(rows, "prototype_distance", 0.1),
        "odd": {uid(r) for r in rows if uid(r) in kept_of_pool and (r["min_side_px"] < 120 or r["aspect_ratio"] > 3)},
        "none": set(),
        "nothing_of_nothing": set(),
    }
    assert {name: stored(project, name) for name in SUBSETS} == expected
    assert expected["best"]
    assert expected["odd"]


def test_every_ledger_tells_each_row_once_with_value_and_threshold(project: Project) -> None:
    for name, subset in SUBSETS.items():
        source = f"subsets/{subset['from']}" if "from" in subset else "raw_pool"
        ledger = project.lake.read(f"decisions/{name}").to_pylist()
        assert len(ledger) == len(project.lake.read(source))
        for row in ledger:
            assert row["is_kept"] == (row["filter"] is None)
            if not row["is_kept"]:
                assert row["column"] is not None
                assert (row["threshold"] is None) != (row["threshold_text"] is None)


def test_a_dropped_row_names_the_first_filter_that_dropped_it(project: Project, rows: list[dict[str, object]]) -> None:
    by_uid = {uid(row): row for row in rows}
    for row in project.lake.read("decisions/basic").to_pylist():
        facts = by_uid[uid(row)]
        if facts["caption_language"] != "en":
            assert (row["filter"], row["value_text"], row["threshold_text"]) == (
                "english_caption",
                facts["caption_language"],
                "en",
            )
        elif facts["caption_words"] < 3:
            assert (row["filter"], row["column"], row["value"], row["comparison"], row["threshold"]) == (
                "caption_length",
                "caption_words",
                facts["caption_words"],
                ">=",
                3,
            )


def test_a_fraction_of_the_pool_is_a_cut_of_its_own(project: Project, rows: list[dict[str, object]]) -> None:
    cut = project.lake.read("cuts/best_of_pool/cut_1").to_pylist()[0]
    assert cut["population"] == sum(row["clip_score"] is not None for row in rows)
    assert cut["cut_rows"] == int(0.3 * cut["population"] + 1e-9)
    empty = project.lake.read("cuts/nothing_of_nothing/cut_1").to_pylist()[0]
    assert (empty["population"], empty["cut_rows"], empty["cut_value"]) == (0, 0, None)


def test_keeping_nothing_is_a_warning_that_names_the_share(project: Project, tmp_path: Path) -> None:
    from curation_assets.assets.checks import kept_fraction

    result = kept_fraction(("subsets", "none"), 0, 40, (0.0, 1.0))
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert "kept 0 of 40" in result.description
    assert kept_fraction(("subsets", "none"), 0, 0, (0.0, 1.0)).passed
    assert not kept_fraction(("subsets", "none"), 39, 40, (0.1, 0.9)).passed
