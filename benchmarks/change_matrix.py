"""What a change costs with many shards: planning it, making it, and that nothing else is made.

    python benchmarks/change_matrix.py [--shards 1000] [--edits threshold shard_replaced shard_added nothing] [--folder DIR]

Shards are small (6 samples), so that what is measured is the rule, Dagster and Delta, not the methods. Each edit is one of
tests/change_matrix.py: what is planned, what runs and which rows are made must be what is written down there, and
afterwards nothing must be left; else the exit code is 1. The Dagster instance is on disk, as that of `curate` is.

Another process plays the daemon. It imports, then plans and ticks for the first time (cold) and once more and again (warm,
medians). A tick reads the recipe, plans, estimates the cost and looks into the instance. Computing is CPU seconds; on a
machine that others use too, they are steadier than wall seconds. Peak memory is that of the process.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import dagster as dg  # noqa: E402  (the benchmark runs from a checkout, too)
import pytest  # noqa: E402
from machine import machine, own_peak_memory_bytes  # noqa: E402

from curation_assets.assets.apply import Applied  # noqa: E402
from curation_assets.assets.automation import outlook  # noqa: E402
from curation_assets.assets.instance import project_instance  # noqa: E402
from curation_assets.assets.plan import plan_project  # noqa: E402
from curation_assets.holdings.project import Project, open_project  # noqa: E402
from curation_assets.holdings.state import read_state  # noqa: E402
from curation_assets.recipe import load_recipe  # noqa: E402
from tests.change_edits import Edit, announced, expected, foretold, these_scores  # noqa: E402
from tests.change_matrix import EDITS  # noqa: E402
from tests.change_project import World, run_and_watch, versions  # noqa: E402
from tests.small_project import run_apply  # noqa: E402

BY_NAME = {edit.name: edit for edit in EDITS if edit.prepare is None}
DEFAULT_EDITS = ("threshold", "shard_replaced", "shard_added", "nothing")
# A tick does the most that it can: a run is to be requested, and the cost of everything that it would make is estimated.
AUTOMATION = {"run": "on_change", "max_seconds": 1e6}
WARM_REPEATS = 5
GOAL_S = 1.0


class Spent(NamedTuple):
    """Wall and CPU seconds."""

    wall_s: float
    cpu_s: float

    def __str__(self) -> str:
        return f"{self.wall_s:.2f} ({self.cpu_s:.2f})"


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def stop(self) -> Spent:
        return Spent(time.perf_counter() - self._wall_s, time.process_time() - self._cpu_s)


class Timed:
    """`curate apply`, and how long it took."""

    spent = Spent(0.0, 0.0)

    def __call__(self, project: Project, instance: dg.DagsterInstance, clip: object) -> Applied:
        watch = Stopwatch()
        applied = run_apply(project, instance, clip)
        self.spent = watch.stop()
        return applied


def plan_and_tick(folder: Path) -> tuple[Spent, Spent, int]:
    """What planning and a tick took in this process, and its peak memory."""
    recipe = folder / "curation.yaml"
    with these_scores(), dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
        watch = Stopwatch()
        plan_project(read_state(open_project(load_recipe(recipe))))
        planned, watch = watch.stop(), Stopwatch()
        outlook(load_recipe(recipe), instance, "on_change")
        return planned, watch.stop(), own_peak_memory_bytes()


class Daemon:
    """Another process, which plans when asked; it starts with the first question."""

    def __init__(self) -> None:
        self._process = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    def cold(self, folder: Path) -> tuple[Spent, Spent, int]:
        return self._process.submit(plan_and_tick, folder).result()

    def warm(self, folder: Path) -> tuple[Spent, Spent, int]:
        """Medians of several plans and ticks between which nothing changed."""
        found = [self.cold(folder) for _ in range(WARM_REPEATS)]
        planned, ticked = (_median([one[i] for one in found]) for i in range(2))
        return planned, ticked, found[-1][2]

    def end(self) -> None:
        self._process.shutdown()


def _median(spent: list[Spent]) -> Spent:
    return Spent(*(statistics.median(one[i] for one in spent) for i in range(2)))


def command(folder: Path) -> Spent:
    """`curate plan` from start to exit."""
    watch, used = Stopwatch(), resource.getrusage(resource.RUSAGE_CHILDREN)
    script = "from curation_assets.cli import main; main()"
    arguments = [sys.executable, "-c", script, "plan", "--recipe", str(folder / "curation.yaml")]
    done = subprocess.run(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 2):
        raise SystemExit(f"curate plan ended with {done.returncode}")
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(watch.stop().wall_s, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)


def made(folder: Path, shards: int) -> World:
    """A project of so many shards with everything made."""
    world = World.drawn(folder, shards)
    world.recipe["automation"] = AUTOMATION
    with opened(world) as instance:
        done = run_and_watch(world, instance, apply := Timed())
    if done.faults:
        raise SystemExit(f"the project could not be made: {done.faults}")
    print(f"everything: {len(done.applied):,} partitions made in {apply.spent} s\n", flush=True)
    return world


def opened(world: World) -> dg.DagsterInstance:
    """The instance in the world's folder; also of the processes that are started from now on."""
    os.environ["DAGSTER_HOME"] = str(world.folder / ".dagster")
    return project_instance(world.folder)


def measure(edit: Edit, template: World, shards: int) -> list[str]:
    """Carries out an edit, prints what it took, and returns what was not as it has to be."""
    with tempfile.TemporaryDirectory(dir=template.folder.parent) as folder, pytest.MonkeyPatch.context() as patch:
        world, daemon = template.copied(Path(folder, "project")), Daemon()
        world.recipe["automation"] = AUTOMATION
        edit.change(world, patch)
        has_new, project = world.tar(shards).exists(), world.project()
        with opened(world) as instance:
            whole, cold, warm = command(world.folder), daemon.cold(world.folder), daemon.warm(world.folder)
            plan, before = plan_project(read_state(project)), versions(world.folder)
            done, wanted = run_and_watch(world, instance, apply := Timed()), expected(edit, shards, has_new=has_new)
            commits = sum(versions(world.folder).values()) - sum(before.values())
            after = daemon.cold(world.folder)
            is_right = {
                "the plan": announced(plan) == foretold(edit, shards, has_new=has_new),
                **{name: getattr(done, name) == getattr(wanted, name) for name in done._fields},
                "what is left": is_nothing_left(world, instance),
            }
        daemon.end()
    faults = [f"{edit.name}: {name} differs from tests/change_matrix.py" for name, right in is_right.items() if not right]
    if max(warm[0].cpu_s, warm[1].cpu_s) > GOAL_S:
        faults.append(f"{edit.name}: planning or a tick took more than {GOAL_S} s of computing")
    certain = sum(one.is_certain for one in plan.due)
    counts = f"{len(plan.due):>7,}{certain:>8,}{len(done.applied):>7,}{commits:>8,}"
    times = "".join(f"{spent!s:>15}" for spent in (whole, cold[0], warm[0], cold[1], warm[1], after[1], apply.spent))
    print(f"{edit.name:16}{counts}{times}{after[2] / 1e6:>7.0f} MB{own_peak_memory_bytes() / 1e6:>7.0f} MB", flush=True)
    return faults


def is_nothing_left(world: World, instance: dg.DagsterInstance) -> bool:
    """Whether the plan is empty, and another apply makes no run and no commit."""
    runs, commits = instance.get_runs_count(), versions(world.folder)
    is_planned = bool(plan_project(read_state(world.project())).due)
    run_and_watch(world, instance)
    return not is_planned and instance.get_runs_count() == runs and versions(world.folder) == commits


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=1000, help="tars of 6 samples (default 1000; an even number, 4 or more)")
    parser.add_argument("--edits", nargs="+", choices=BY_NAME, default=DEFAULT_EDITS, metavar="EDIT", help=", ".join(BY_NAME))
    parser.add_argument("--folder", type=Path, help="where the project is drawn; one that is there is used again")
    arguments = parser.parse_args()
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}")
    print(f"{arguments.shards:,} shards of 6 samples; wall seconds (CPU seconds)")
    with tempfile.TemporaryDirectory() as temporary, these_scores():
        folder = (arguments.folder or Path(temporary)).resolve() / f"{arguments.shards}_shards"
        finished = folder / "finished"
        if finished.exists():
            template = World(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            template = made(folder, arguments.shards)
            finished.touch()
        columns = ("curate plan", "plan, cold", "plan, warm", "tick, cold", "tick, warm", "tick, after", "apply")
        heads = "".join(f"{name:>15}" for name in columns)
        print(f"{'edit':16}{'planned':>7}{'certain':>8}{'ran':>7}{'commits':>8}{heads}{'daemon':>10}{'apply':>10}")
        faults = [fault for name in arguments.edits for fault in measure(BY_NAME[name], template, arguments.shards)]
    print("\n".join(faults) if faults else "\nplanned and made: exactly what is written down in tests/change_matrix.py")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
