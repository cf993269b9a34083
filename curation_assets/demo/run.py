"""The demo from an empty folder to a report: draw a pool, curate it through Dagster, and hold the result against the truth."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from curation_assets.assets.apply import Applied, apply
from curation_assets.assets.build import build_definitions
from curation_assets.assets.instance import Instance
from curation_assets.errors import PoolError
from curation_assets.holdings.project import open_project
from curation_assets.holdings.shards import shard_files
from curation_assets.holdings.state import read_state
from curation_assets.holdings.status import Funnel, pool_funnel, subset_funnels
from curation_assets.recipe import DEFAULT_RECIPE, load_recipe

from .pool import generate_pool
from .report import write_report
from .scoring import Caught, score_filters

_PROJECT_RECIPE = Path(__file__).parents[2] / DEFAULT_RECIPE


@dataclass(frozen=True)
class DemoResult:
    """What a run of the demo did; `report` is None when something failed."""

    applied: Applied
    funnels: list[Funnel]
    caught: list[Caught]
    report: Path | None


def run_demo(
    folder: Path,
    size: tuple[int, int, int],
    instance_of: Callable[[Path], Instance],
    report: Callable[[str], None],
) -> DemoResult:
    """Run the whole demo in a folder; what is there already and right is not made again.

    Args:
        folder: takes curation.yaml (unless it has one), pool/, truth.parquet, lake/ and report/.
        size: shards, samples per shard, seed.
        instance_of: makes the Dagster instance for the folder.
        report: takes lines of progress.

    Raises:
        PoolError: the folder holds another pool, or its recipe reads one.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    recipe_file = folder / DEFAULT_RECIPE
    if not recipe_file.exists():
        if not _PROJECT_RECIPE.is_file():
            raise PoolError(f"{folder} has no {DEFAULT_RECIPE}, and there is none to copy; run the demo from a clone")
        shutil.copyfile(_PROJECT_RECIPE, recipe_file)
    recipe = load_recipe(recipe_file)
    shards, samples, seed = size
    report(f"drawing {shards} shards of {samples:,} samples in {folder / 'pool'}")
    truth = generate_pool(folder, shards=shards, samples_per_shard=samples, seed=seed)
    drawn = {path.resolve() for path in (folder / "pool").glob("*.tar")}
    if {path.resolve() for path in shard_files(recipe).values()} != drawn:
        raise PoolError(f"{recipe_file} does not read exactly the demo pool in {folder / 'pool'}; set pool.path to pool/*.tar")
    project = open_project(recipe)
    applied = apply(project, build_definitions(recipe), instance_of(folder), report)
    if applied.failed or applied.held_back:
        return DemoResult(applied, [], [], None)
    state = read_state(project)
    funnels = [pool_funnel(state), *subset_funnels(state)]
    caught = score_filters(state, truth)
    return DemoResult(applied, funnels, caught, write_report(state, funnels, caught, folder / "report"))
