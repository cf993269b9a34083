"""What a tick of the daemon decides, what the job does, and what stops both from going on for ever."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest
import yaml
from dagster._core.errors import DagsterUserCodeProcessError
from dagster._core.remote_origin import CodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from curation_assets.assets import automation
from curation_assets.assets.build import build_definitions
from curation_assets.assets.sensors import Memory, read_memory
from curation_assets.demo.pool import generate_pool
from curation_assets.errors import RecipeError
from curation_assets.holdings.project import Project
from resources.decode import ImageBytes
from resources.encoder import Encoded
from tests.e2e.processes import REPOSITORY
from tests.small_project import SUBSETS, TinyClip, TinyEncoder, make_project

CHEAP: dict[str, object] = {"basic": SUBSETS["basic"]}
UP_TO_DATE = "everything is up to date"


class BrokenEncoder(TinyEncoder):
    """Fails with a message that no terminal should obey."""

    def encode(self, images: Sequence[ImageBytes], texts: Sequence[str], log: Callable[[str], None]) -> Encoded:
        raise RuntimeError("broken \x1b[31m beyond repair")


class BrokenClip(TinyClip):
    """Stands in for weights that cannot be used."""

    def __repr__(self) -> str:
        return "BrokenClip()"

    def load(self) -> TinyEncoder:
        return BrokenEncoder(0)


class Daemon(NamedTuple):
    """Ticks of a code location that stays as it was loaded, while the recipe on disk changes."""

    project: Project
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    cursors: list[str | None]

    def tick(self) -> dg.SensorResult:
        """One tick of the sensor, which remembers what the one before told it."""
        repository = self.definitions.get_repository_def()
        with dg.build_sensor_context(self.instance, cursor=self.cursors[-1], repository_def=repository) as context:
            result = repository.get_sensor_def("curation")(context)
        self.cursors.append(result.cursor)
        return result

    def skipped(self) -> str:
        """Why a tick requested nothing."""
        result = self.tick()
        assert not result.run_requests
        return result.skip_reason.skip_message

    def requested(self) -> dg.RunRequest:
        """What a tick requested."""
        result = self.tick()
        assert result.skip_reason is None, result.skip_reason
        (request,) = result.run_requests
        return request

    def run(self, request: dg.RunRequest | None = None) -> dg.ExecuteInProcessResult:
        """A run of the job, as requested or as a person would start it."""
        job = self.definitions.get_repository_def().get_job("curate")
        config, tags = (request.run_config, request.tags) if request else ({}, {})
        return job.execute_in_process(config, instance=self.instance, tags=tags, raise_on_error=False)

    def edit(self, **sections: object) -> None:
        """Give the recipe on disk other sections."""
        path = self.project.recipe.path
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))


@pytest.fixture(scope="module")
def few_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few_samples")
    generate_pool(folder, shards=2, samples_per_shard=8, seed=1)
    return folder / "pool"


@pytest.fixture
def pool(few_samples: Path, tmp_path: Path) -> Path:
    """Two small tars in a folder of the test's own."""
    return Path(shutil.copytree(few_samples, tmp_path / "pool"))


@pytest.fixture
def daemon(pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> Daemon:
    """A project of which nothing is made yet, and which is curated after every change."""
    return watch(tmp_path, pool, instance)


def watch(folder: Path, pool: Path, instance: dg.DagsterInstance, clip: object | None = None, **setting: object) -> Daemon:
    project = make_project(folder, pool / "*.tar", CHEAP, automation={"run": "on_change", **setting})
    return Daemon(project, build_definitions(project.recipe, {"clip": clip or TinyClip()}), instance, [None])


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, dg.MetadataValue]]:
    """What a failed run says of itself, and shows."""
    assert not result.success
    told = result.failure_data_for_node("apply_plan").user_failure_data
    return told.description, dict(told.metadata)


@pytest.mark.slow
def test_one_run_makes_everything_and_then_there_is_rest(daemon: Daemon) -> None:
    request = daemon.requested()
    assert request.tags["curation/command"] == "automation"
    assert "partitions out of date: missing (raw_pool[00000] and" in request.tags["curation/reason"]
    result = daemon.run(request)
    assert result.success
    assert daemon.skipped() == UP_TO_DATE
    assert read_memory(daemon.cursors[-1]) == Memory()
    runs = daemon.instance.get_runs_count()
    assert daemon.run().success
    assert daemon.instance.get_runs_count() == runs + 1  # the job itself, and no run of an asset in it


@pytest.mark.slow
def test_edit_on_disk_needs_no_reload(daemon: Daemon) -> None:
    daemon.run(daemon.requested())
    keep = [{"caption_length": {"min_words": 4}}]
    daemon.edit(subsets={"basic": {"keep": keep}, "added": {"keep": keep}})
    request = daemon.requested()
    assert "(subsets/added[00000] and" in request.tags["curation/reason"]
    assert daemon.run(request).success
    assert daemon.project.lake.exists("decisions/added")
    assert daemon.skipped() == UP_TO_DATE


@pytest.mark.slow
def test_new_tar_is_registered_and_curated(daemon: Daemon, pool: Path, tmp_path: Path) -> None:
    late = (pool / "00001.tar").rename(tmp_path / "late.tar")
    daemon.run(daemon.requested())
    late.rename(pool / "00001.tar")
    repository = daemon.definitions.get_repository_def()
    with dg.build_sensor_context(daemon.instance, repository_def=repository) as context:
        (registered,) = repository.get_sensor_def("new_shards")(context).dynamic_partitions_requests
    assert list(registered.partition_keys) == ["00001"]
    assert daemon.run(daemon.requested()).success
    assert daemon.skipped() == UP_TO_DATE


@pytest.mark.parametrize(
    ("run", "said"), [("never", "automation.run is never"), ("on_schedule", "on_schedule: 15 4 * * * Europe/Berlin")]
)
def test_setting_decides_whether_anything_starts(
    run: str, said: str, pool: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    daemon = watch(tmp_path, pool, instance, run=run, cron="15 4 * * *", timezone="Europe/Berlin")
    reason = daemon.skipped()
    assert said in reason
    assert "partitions out of date" in reason
    assert not (tmp_path / "lake").exists()
    schedule = daemon.definitions.get_repository_def().get_schedule_def("curation_on_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 4 * * *", "Europe/Berlin")
    home = tmp_path / "home"
    home.mkdir()
    overrides = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(home), overrides) as on_disk, dg.build_schedule_context(on_disk) as context:
        answer = schedule(context)
    assert isinstance(answer, dg.RunRequest if run == "on_schedule" else dg.SkipReason)


@pytest.mark.slow
def test_failure_is_told_once_and_not_tried_again(pool: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    broken = watch(tmp_path, pool, instance, BrokenClip())
    told, shown = failure(broken.run(broken.requested()))
    assert told.startswith("2 failed, ")
    assert "embeddings[00000]: RuntimeError: broken ⟨U+001B⟩" in told
    assert {"embeddings[00000]", "embeddings[00001]"} == set(shown["failed"].value)
    assert shown["held_back"].value["centroids"] == "waits for embeddings[00000]"
    reason = broken.skipped()
    assert reason.startswith("waits for a change: embeddings[00000]: RuntimeError: broken ⟨U+001B⟩")
    assert broken.skipped() == reason
    runs = instance.get_runs_count()
    assert broken.run(automation.Outlook("", "x").run_request()).success  # nothing is tried, so nothing fails
    assert instance.get_runs_count() == runs + 1
    repaired = Daemon(broken.project, build_definitions(broken.project.recipe, {"clip": TinyClip()}), instance, [None])
    assert repaired.run().success  # a person asked for it
    assert repaired.skipped() == UP_TO_DATE


@pytest.mark.slow
def test_plan_beyond_the_budget_waits_for_a_person(daemon: Daemon) -> None:
    daemon.edit(automation={"run": "on_change", "max_seconds": 1e6})
    assert "nothing is known of its cost against automation.max_seconds 1,000,000" in daemon.skipped()
    daemon.run()
    daemon.edit(automation={"run": "on_change", "max_seconds": 1e-9}, clusters={"seed": 7})
    assert "out of date; an estimated 0 s against automation.max_seconds 0" in daemon.skipped()
    daemon.edit(automation={"run": "on_change", "max_seconds": 1e6})
    assert "parameter seed: 0 -> 7" in daemon.requested().tags["curation/reason"]


def test_faulty_recipe_is_told_line_by_line(daemon: Daemon) -> None:
    daemon.edit(clusters={"k": 0, "fault\x1b[2J": 1})
    lines = daemon.skipped().splitlines()
    assert lines[0].endswith("curation.yaml has 2 faults:")
    assert lines[1].startswith("  clusters.k: ")
    assert "⟨U+001B⟩" in lines[2]
    told, _ = failure(daemon.run())
    assert told.splitlines() == lines


def test_pool_without_a_tar_is_told(daemon: Daemon) -> None:
    daemon.edit(pool={"path": "nowhere/*.tar"})
    assert daemon.skipped().startswith("pool.path 'nowhere/*.tar' matches no file")


def test_nothing_is_requested_while_a_run_waits_or_works(daemon: Daemon) -> None:
    job = daemon.definitions.get_repository_def().get_job("curate")
    elsewhere = {"curation/lake": "/elsewhere"}
    daemon.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=elsewhere)
    assert daemon.tick().run_requests
    run = daemon.instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED)
    assert daemon.skipped() == f"run {run.run_id[:8]} is not started"
    assert read_memory(daemon.cursors[-1]).times == 1  # a tick that has to wait forgets nothing


def test_run_without_a_process_is_ended(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    job = daemon.definitions.get_repository_def().get_job("curate")
    run = daemon.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert daemon.skipped() == f"run {run.run_id[:8]} is started"
    monkeypatch.setattr(automation, "_LOCKED_AFTER_S", -1.0)
    with daemon.project.lake.lock("apply"):
        assert daemon.skipped() == f"run {run.run_id[:8]} is started"
    daemon.requested()
    assert daemon.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE


def test_another_apply_is_not_disturbed(daemon: Daemon) -> None:
    request = daemon.requested()
    with daemon.project.lake.lock("apply"):
        assert daemon.skipped() == "another apply is at work on this lake"
        told, _ = failure(daemon.run(request))
    assert "another process holds the lock 'apply'" in told


def test_what_leads_to_nothing_is_requested_three_times(daemon: Daemon) -> None:
    for _ in range(3):
        daemon.requested()
    for _ in range(2):
        assert daemon.skipped().startswith("requested 3 times to no effect; waits for a change, or a run of curate by hand: ")
    daemon.edit(encoder={"model": "tiny", "pretrained": "tiny", "batch_size": 8})  # not of what is made first, but a change
    daemon.requested()
    assert read_memory(daemon.cursors[-1]).times == 1


@pytest.mark.parametrize(
    "cursor", [None, "", "{", "[]", "7", '{"times": "x"}', '{"asked_for": "", "times": "1", "reloaded_for": ""}']
)
def test_cursor_that_cannot_be_read_is_forgotten(cursor: str | None) -> None:
    assert read_memory(cursor) == Memory()


class Server(CodeLocationOrigin):
    """A code server that can load this location anew at the second attempt, or one that cannot do so at all."""

    location_name, loadable_target_origin = "curation", LoadableTargetOrigin(module_name="curation_assets.definitions")

    def __init__(self, error: Exception | None = None) -> None:
        self.errors, self.reloads = [error] if error else [], 0

    def get_display_metadata(self) -> dict[str, str]:
        return {}

    def create_location(self, instance: dg.DagsterInstance) -> None:
        raise NotImplementedError

    def reload_location(self, instance: dg.DagsterInstance) -> None:
        if self.errors:
            raise self.errors.pop()
        self.reloads += 1


def served(daemon: Daemon, server: Server) -> dg.SensorResult:
    """A tick in a code server."""
    repository = daemon.definitions.get_repository_def()
    with dg.SensorEvaluationContext(
        *(None, None, None, daemon.cursors[-1], None, None),
        instance=daemon.instance,
        repository_def=repository,
        code_location_origin=server,
    ) as context:
        result = repository.get_sensor_def("curation")(context)
    daemon.cursors.append(result.cursor)
    return result


def test_location_follows_the_recipe_on_disk_once_per_edit(daemon: Daemon) -> None:
    server = Server()
    served(daemon, server)
    assert server.reloads == 0
    daemon.edit(automation={"run": "never"})
    for _ in range(2):
        served(daemon, server)
    assert server.reloads == 1
    daemon.edit(subsets={"basic": {"keep": ["english_caption"]}})
    served(daemon, server)
    assert server.reloads == 2


def test_location_that_a_fault_took_down_is_brought_back(daemon: Daemon) -> None:
    server = Server(DagsterUserCodeProcessError("a fault was saved meanwhile", user_code_process_error_infos=[]))
    daemon.edit(subsets={"basic": {"keep": ["english_caption"]}})
    assert served(daemon, server).run_requests
    assert server.reloads == 1


def test_server_that_cannot_reload_costs_no_run(daemon: Daemon) -> None:
    server = Server(NotImplementedError("no reload"))
    daemon.edit(subsets={"basic": {"keep": ["english_caption"]}})
    for _ in range(2):
        assert served(daemon, server).run_requests
    assert server.reloads == 1  # for the edit it was refused; then the same was asked for again


def test_what_no_run_could_make_reloads_the_code(daemon: Daemon) -> None:
    """Runs import everything anew: if they see nothing to do, the code that this process has loaded is old."""
    server = Server()
    for _ in range(3):
        assert served(daemon, server).run_requests
    assert server.reloads == 1


def test_canceled_run_is_respected_until_a_change(daemon: Daemon) -> None:
    job = daemon.definitions.get_repository_def().get_job("curate")
    request = daemon.requested()
    run = daemon.instance.create_run_for_job(job, status=dg.DagsterRunStatus.CANCELED, tags=request.tags)
    assert f"run {run.run_id[:8]} was canceled: waits for a change" in daemon.skipped()
    daemon.edit(clusters={"seed": 7})
    daemon.requested()


def test_times_that_never_come_are_a_fault(pool: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path, pool / "*.tar", CHEAP, automation={"cron": "0 3 31 2 *"})
    with pytest.raises(RecipeError, match="names no time that ever comes"):
        build_definitions(project.recipe)


@pytest.mark.parametrize(
    "setting",
    [
        *(
            {"cron": cron}
            for cron in ("", "* * * *", "60 * * * *", "* * * * * *", "5-1 * * * *", "*/0 * * * *", "@daily", "1, * * * *")
        ),
        *({"timezone": zone} for zone in ("", "Mars/Olympus", "../../etc/passwd", "/etc/localtime")),
        *({"run": "always"}, {"run": False}, {"interval_s": 0}, {"max_seconds": 0}, {"max_seconds": float("nan")}),
    ],
)
def test_setting_that_cannot_be_followed_is_a_fault(setting: dict[str, object], pool: Path, tmp_path: Path) -> None:
    (name,) = setting
    with pytest.raises(RecipeError, match=f"automation.{name}"):
        make_project(tmp_path, pool / "*.tar", CHEAP, automation=setting)


@pytest.mark.slow
def test_tick_loads_nothing_heavy(daemon: Daemon) -> None:
    script = f"""
import sys, dagster as dg
from pathlib import Path
from curation_assets.assets.build import build_definitions
from curation_assets.recipe import load_recipe
repository = build_definitions(load_recipe(Path({str(daemon.project.recipe.path)!r}))).get_repository_def()
with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance, repository_def=repository) as context:
    assert repository.get_sensor_def("curation")(context).run_requests
print(*sorted({{"torch", "open_clip", "faiss"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
