"""The demo as it ships: default size, default recipe, the network trained on the pool itself."""

from pathlib import Path

import dagster as dg
import pytest

from curation_assets.demo.run import DemoResult, run_demo
from curation_assets.errors import PoolError
from curation_assets.holdings.project import open_project
from curation_assets.recipe import load_recipe


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoResult]:
    folder = tmp_path_factory.mktemp("demo")
    with dg.DagsterInstance.ephemeral() as instance:
        return folder, run_demo(folder, (4, 1000, 0), lambda _: instance, lambda line: None)


@pytest.mark.slow
def test_everything_is_made_and_accounted_for(demo: tuple[Path, DemoResult]) -> None:
    result = demo[1]
    assert not result.applied.failed
    assert not result.applied.held_back
    assert [funnel.subset for funnel in result.funnels] == ["raw_pool", "basic", "aligned", "hard_half"]
    assert result.funnels[0].rows_in == 4000
    for funnel in result.funnels:
        assert funnel.rows_in == funnel.kept + sum(funnel.dropped_by.values())
    assert result.report is not None
    assert result.report.is_file()


@pytest.mark.slow
def test_the_trained_network_tells_matched_from_swapped_captions(demo: tuple[Path, DemoResult]) -> None:
    project = open_project(load_recipe(demo[0] / "curation.yaml"))
    assert project.lake.read("filter_network")["network_auc"][0].as_py() >= 0.95


@pytest.mark.slow
def test_filters_catch_what_was_planted(demo: tuple[Path, DemoResult]) -> None:
    """Rules are exact; of the swapped captions the worst tenth by CLIP score holds nearly all."""
    caught = {c.filter: c for c in demo[1].caught}
    for name in ("ingest", "basic: caption_length", "basic: image_size"):
        assert (caught[name].precision, caught[name].recall) == (1.0, 1.0), name
    assert caught["basic: english_caption"].recall >= 0.95
    assert caught["aligned: clip_score"].recall >= 0.9


def test_a_recipe_that_reads_another_pool_is_refused(tmp_path: Path, drawn_pool: Path) -> None:
    (tmp_path / "curation.yaml").write_text(
        f"pool: {{path: '{drawn_pool}/pool/*.tar'}}\nencoder: {{model: tiny, pretrained: tiny}}\n"
    )
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(PoolError, match="does not read exactly the demo pool"):
        run_demo(tmp_path, (1, 60, 0), lambda _: instance, lambda line: None)
