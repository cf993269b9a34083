"""The demo's judgement of filters against its own truth."""

import re
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from PIL import Image

from curation_assets.assets.apply import Applied
from curation_assets.demo.pool import read_truth
from curation_assets.demo.report import write_report
from curation_assets.demo.scoring import UNUSABLE, Caught, score_filters
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State, read_state
from curation_assets.holdings.status import pool_funnel, subset_funnels

Curated = tuple[Project, Applied, dg.DagsterInstance]


@pytest.fixture(scope="module")
def state(applied: Curated) -> State:
    return read_state(applied[0])


def test_ingest_and_rules_catch_what_was_planted(state: State, drawn_pool: Path) -> None:
    truth = pl.from_arrow(read_truth(drawn_pool))
    caught = {c.filter: c for c in score_filters(state, read_truth(drawn_pool))}
    unusable = truth.filter(pl.col("defect").is_in(UNUSABLE)).height
    assert caught["ingest"] == Caught("ingest", "unusable samples", unusable, unusable, unusable)
    assert caught["basic: image_size"].recall == 1.0
    assert caught["basic: caption_length"].recall == 1.0
    assert caught["basic: english_caption"].recall >= 0.9
    assert set(caught) == {
        "ingest",
        "basic: english_caption",
        "basic: caption_length",
        "basic: image_size",
        "aligned: clip_score",
    }


def test_counts_agree_with_a_join_of_ledger_and_truth(state: State, drawn_pool: Path) -> None:
    truth = pl.from_arrow(read_truth(drawn_pool))
    ledger = pl.from_arrow(state.project.lake.read("decisions/aligned")).join(
        truth.with_columns(pl.col("row").cast(pl.Int32)), on=["shard", "row"]
    )
    found = next(c for c in score_filters(state, read_truth(drawn_pool)) if c.filter == "aligned: clip_score")
    dropped = ledger.filter(~pl.col("is_kept"))
    swapped = ledger.filter(~pl.col("is_matching"))
    both = dropped.filter(~pl.col("is_matching"))
    assert (found.dropped, found.planted, found.caught) == (len(dropped), len(swapped), len(both))


def test_ratios_of_nothing_are_none() -> None:
    assert Caught("f", "p", 0, 0, 0).precision is None
    assert Caught("f", "p", 0, 3, 0).recall is None


def test_report_is_a_page_with_pictures_and_inert_captions(state: State, drawn_pool: Path, tmp_path: Path) -> None:
    funnels = [pool_funnel(state), *subset_funnels(state)]
    index = write_report(state, funnels, score_filters(state, read_truth(drawn_pool)), tmp_path / "report")
    page = index.read_text(encoding="utf-8")
    for name in re.findall(r'<img src="([^"]+)"', page):
        with Image.open(index.parent / name) as picture:
            assert picture.width > 100
    assert "contact_sheet_basic.png" in page
    assert not re.search(r"<(script|img [^s]|iframe|a )", page)
    assert not re.search("[\x00-\x08\x1b\u202a-\u202e]", page)
