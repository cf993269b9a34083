"""Every kind of edit runs exactly what it reaches, as the plan said; afterwards nothing is left to run."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from curation_assets.assets.plan import plan_project
from curation_assets.holdings.state import read_state
from tests.change_edits import Edit, announced, expanded, expected, foretold, these_scores
from tests.change_matrix import EDITS
from tests.change_project import World, run_and_watch, versions

Templates = Callable[[int], World]


@pytest.fixture(autouse=True, scope="module")
def scores() -> Iterator[None]:
    with these_scores():
        yield


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """A project of as many shards, with everything made; to be copied."""

    @cache
    def made(shards: int) -> World:
        world = World.drawn(tmp_path_factory.mktemp("template") / "project", shards)
        with dg.DagsterInstance.ephemeral() as instance:
            done = run_and_watch(world, instance)
        assert not done.faults
        assert done.embedded == 6 * shards
        kept = {name: len(world.project().lake.read(f"subsets/{name}")) for name in world.recipe["subsets"]}
        assert kept == {"basic": 4 * shards, "aligned": 2 * shards, "typical": shards, "distinct": 4, "bystander": 5 * shards}
        return world

    return made


@pytest.mark.slow
@pytest.mark.parametrize("shards", [10, 120])
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_runs_what_it_reaches_and_nothing_else(
    edit: Edit,
    shards: int,
    template: Templates,
    tmp_path: Path,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = template(shards).copied(tmp_path / "project")
    if edit.prepare is not None:
        edit.prepare(world, monkeypatch)
        run_and_watch(world, instance)
    edit.change(world, monkeypatch)
    before, has_new = versions(world.folder), world.tar(shards).exists()

    plan = plan_project(read_state(world.project()))
    assert announced(plan) == foretold(edit, shards, has_new=has_new)
    done, wanted = run_and_watch(world, instance), expected(edit, shards, has_new=has_new)
    assert done == wanted

    # One commit for all shards of a table, and one that creates a table. What is made twice is committed twice.
    after, again = versions(world.folder), [*(done.events - Counter(done.applied)), *(done.applied & done.renewed)]
    commits = Counter(after) - Counter(dict.fromkeys(after, 1) | before)
    assert commits == Counter(tables(done.applied | done.renewed)) + Counter(tables(again))
    assert_nothing_is_left(world, instance)


def tables(names: Iterable[str]) -> set[str]:
    return {name.partition("[")[0] for name in names}


def assert_nothing_is_left(world: World, instance: dg.DagsterInstance) -> None:
    """The plan is empty, and another apply makes no run and no commit."""
    runs, before = instance.get_runs_count(), versions(world.folder)
    assert plan_project(read_state(world.project())).due == []
    again = run_and_watch(world, instance)
    assert (again.applied, again.faults, again.embedded) == (set(), {}, 0)
    assert instance.get_runs_count() == runs
    assert versions(world.folder) == before


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_what_is_written_down_agrees_with_itself(edit: Edit) -> None:
    """What is certain runs, and what runs was planned, but for what a measurement decides."""
    certain, uncertain = (set(names) for names in foretold(edit, 10, has_new=True))
    done, unforeseen = expected(edit, 10, has_new=True), set(expanded(edit.unforeseen, 10, has_new=True))
    assert not certain & uncertain
    assert certain <= done.applied <= certain | uncertain | unforeseen
    assert done.renewed <= certain | uncertain
    assert not unforeseen & (certain | uncertain)
    assert set(done.events) == done.applied


@pytest.mark.slow
def test_the_benchmark_finds_what_is_written_down() -> None:
    command = [sys.executable, "benchmarks/change_matrix.py", "--shards", "4", "--edits", "shard_replaced"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
