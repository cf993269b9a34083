"""Groups of partitions made one after the other in this process, or several at the same time in processes of their own."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import dagster as dg

from curation_assets.errors import ArgumentError
from curation_assets.holdings.project import Project, open_project
from curation_assets.recipe import Recipe

from .runs import LAKE_TAG, Group, Outcome, end_killed_runs, run_group

# Makes the Definitions of a recipe; a function of a module, since worker processes import it by its name.
DefinitionsOf = Callable[[Recipe], dg.Definitions]


@dataclass(frozen=True)
class Here:
    """Runs groups in this process, one after the other."""

    project: Project
    job: dg.JobDefinition
    instance: dg.DagsterInstance
    tags: Mapping[str, str]

    def run(self, wave: Sequence[Group]) -> Iterator[tuple[Group, Outcome]]:
        """Each group with what it came to."""
        tags = {LAKE_TAG: self.project.lake.root, **self.tags}
        for group in wave:
            yield group, run_group(self.job, self.instance, self.project.graph, group, tags)


class Processes:
    """Runs groups in worker processes, each of which imports the code and opens the instance once."""

    def __init__(
        self,
        project: Project,
        instance: dg.DagsterInstance,
        jobs: int,
        *,
        definitions_of: DefinitionsOf | None,
        tags: Mapping[str, str],
    ) -> None:
        """Args: what is made, where runs are recorded, how many run at a time, how they get definitions, and their tags.

        Raises:
            ArgumentError: the instance lives in this process alone.
        """
        if instance.is_ephemeral:
            raise ArgumentError(f"--jobs {jobs} needs a Dagster instance on disk, for all processes; set DAGSTER_HOME")
        self._project, self._instance, self._jobs = project, instance, jobs
        self._opened = (project.recipe, definitions_of, instance.root_directory, dict(tags))
        self._executor: ProcessPoolExecutor | None = None
        self._others = set(multiprocessing.active_children())

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self._shut_down()

    def run(self, wave: Sequence[Group]) -> Iterator[tuple[Group, Outcome]]:
        """Each group with what it came to, as they end; those of a worker that died have failed."""
        if self._executor is None:
            context = multiprocessing.get_context("spawn")  # threads of Delta and torch do not survive a fork
            self._executor = ProcessPoolExecutor(self._jobs, context, initializer=_open, initargs=self._opened)
        futures: dict[Future[Outcome], Group] = {self._executor.submit(_work, group): group for group in wave}
        is_broken = False
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                is_broken = True
                reason = "a worker process died, perhaps for want of memory; try fewer --jobs"
                yield futures[future], Outcome("", {"/".join(key): reason for key in futures[future].keys})
        if is_broken:
            self._kill()
            self._shut_down()
            end_killed_runs(self._instance, self._project.lake.root)  # all workers are gone, and with them the pool's places

    def _kill(self) -> None:
        """End workers for good.

        The pool ends them by a signal, which Dagster holds back during a step, and since Python 3.12 by nothing else, for which
        it would wait for ever.
        """
        for process in set(multiprocessing.active_children()) - self._others:
            process.kill()

    def _shut_down(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None


# What a worker process has opened, once.
_here: list[Here] = []


def _open(recipe: Recipe, definitions_of: DefinitionsOf | None, home: str, tags: dict[str, str]) -> None:
    if definitions_of is None:
        from .build import build_definitions  # which needs apply, and so this file, for its automation

        definitions_of = build_definitions
    job = definitions_of(recipe).resolve_implicit_global_asset_job_def()
    _here.append(Here(open_project(recipe), job, dg.DagsterInstance.from_config(home), tags))


def _work(group: Group) -> Outcome:
    ((_, outcome),) = _here[0].run([group])
    return outcome
