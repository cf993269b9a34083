"""Curation without a person under a real `dagster dev`: what changes on disk is made, and nothing else is."""

import io
import json
import os
import shutil
import signal
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import numpy as np
import pytest
import yaml
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from PIL import Image

from tests.e2e.processes import REPOSITORY, Project, Running, free_port, installed, started, table_versions
from tests.e2e.watched import HANGING, POISON

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
UP_TO_DATE = "everything is up to date"
SUBSETS: dict[str, object] = {
    "basic": {"keep": [{"caption_length": {"min_words": 2}}]},
    "aligned": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.5}}]},
}
RECIPE: dict[str, object] = {
    "lake": "./lake",
    "pool": {"path": "pool/*.tar"},
    "encoder": {"model": "tiny", "pretrained": "tiny"},
    "clusters": {"k": 2, "iterations": 2},
    "subsets": SUBSETS,
    "automation": {"run": "on_change", "interval_s": 1},
}
READ = ("raw_pool", "rejected_samples", "scores/caption_language", "scores/caption_length", "scores/image_size")
EMBEDDED = ("embeddings", "cluster_assignments", "scores/clip_score", "scores/prototype_distance")
SUBSET_TABLES = ("subsets", "decisions")
Made = set[tuple[str, str | None]]


class Watched(NamedTuple):
    """A project whose `dagster dev` is running."""

    project: Project
    running: Running
    instance: dg.DagsterInstance
    url: str

    def edit(self, **sections: object) -> None:
        """Give the recipe other sections."""
        write_recipe(self.project.folder, {**RECIPE, **sections})

    def ticks(self, after: float) -> list[InstigatorTick]:
        """Finished ticks of the sensor that began after a time, oldest first."""
        for state in self.instance.all_instigator_state():
            if state.instigator_name == "curation":
                found = self.instance.get_ticks(state.instigator_origin_id, state.selector_id, after=after)
                return [tick for tick in reversed(found) if tick.status is not TickStatus.STARTED]
        return []

    def wait_for_skips(self, reason: str, count: int) -> list[InstigatorTick]:
        """All ticks from now on, as soon as the newest of them skipped for a reason so many times in a row."""
        began = time.time()

        def is_met() -> bool:
            time.sleep(0.25)  # leaves the processors to those who work
            newest = self.ticks(began)[-count:]
            return len(newest) == count and all(reason in (tick.skip_reason or "") for tick in newest)

        self.running.wait_until(is_met, f"{count} ticks that skip for {reason!r}", timeout_s=60)
        ticks = self.ticks(began)
        assert {tick.status for tick in ticks} <= {TickStatus.SKIPPED, TickStatus.SUCCESS}
        return ticks

    def materialized(self) -> list[tuple[str, str | None, str]]:
        """Asset, partition and run of every materialization."""
        return [
            (key.to_user_string(), record.partition_key, record.run_id)
            for key in self.instance.all_asset_keys()
            for record in self.instance.fetch_materializations(key, limit=1000).records
        ]

    def curations(self) -> list[dg.DagsterRun]:
        """Runs of the job, newest first."""
        return list(self.instance.get_runs(dg.RunsFilter(job_name="curate")))

    def ask(self, query: str) -> dict[str, object]:
        """Answer to a GraphQL query, past any proxy."""
        request = urllib.request.Request(
            f"{self.url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def shown_assets(self) -> set[str]:
        """Assets of the graph that the UI shows."""
        return {"/".join(node["assetKey"]["path"]) for node in self.ask("{assetNodes{assetKey{path}}}")["assetNodes"]}

    def make_encoder_hang(self) -> Path:
        """Wait for a run whose encoder hangs, as long as there is a file `hangs`; returns the file with its process."""
        hangs = self.project.folder / "hangs"
        hangs.touch()
        write_shard(self.project.folder / "pool" / "00001.tar", 1, last_caption=HANGING)
        pid = self.project.folder / "hangs.pid"
        self.running.wait_until(pid.exists, "an encoder that hangs", timeout_s=60)
        return pid

    def made_by(self, change: Callable[[], object], rest: int = 0) -> Made:
        """What a change on disk leads to: one run, each partition once, and then ticks of rest without a run or a commit."""
        before, curations = self.materialized(), self.curations()
        change()
        self.wait_for_skips(UP_TO_DATE, 1)
        versions, made = table_versions(self.project.folder / "lake"), self.materialized()
        new = [(asset, shard) for asset, shard, run in made if (asset, shard, run) not in before]
        assert len(new) == len(made) - len(before) == len(set(new))
        (run,) = self.curations()[: len(self.curations()) - len(curations)]
        assert run.status is dg.DagsterRunStatus.SUCCESS
        if rest:
            assert {tick.skip_reason for tick in self.wait_for_skips(UP_TO_DATE, rest)} == {UP_TO_DATE}
        assert self.materialized() == made
        assert table_versions(self.project.folder / "lake") == versions
        return set(new)


def write_recipe(folder: Path, content: dict[str, object]) -> None:
    """Write a recipe as editors do: beside it, and then in its place."""
    draft = folder / "curation.draft"
    draft.write_text(yaml.safe_dump(content), encoding="utf-8")
    draft.rename(folder / "curation.yaml")


def write_shard(path: Path, seed: int, last_caption: str = "a last picture of many colours") -> None:
    """A tar of eight coloured pictures, put into its place by one rename."""
    rng, draft = np.random.default_rng(seed), path.with_suffix(".draft")
    captions = [f"a drawn picture with the number {seed} {i}" for i in range(7)] + [last_caption]
    with tarfile.open(draft, "w") as tar:
        for i, caption in enumerate(captions):
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(picture, "PNG")
            for extension, content in (("png", picture.getvalue()), ("txt", caption.encode())):
                member = tarfile.TarInfo(f"{i:04d}.{extension}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    draft.rename(path)


def sharded(names: tuple[str, ...], shards: range | tuple[int, ...]) -> Made:
    return {(name, f"{shard:05d}") for name in names for shard in shards}


def of_subsets(*subsets: str) -> tuple[str, ...]:
    return tuple(f"{table}/{subset}" for subset in subsets for table in SUBSET_TABLES)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A pool of three shards of which nothing is made yet, under `dagster dev`."""
    project = Project(tmp_path / "project")
    home = project.folder / ".dagster"
    for folder in (home, project.folder / "pool"):
        folder.mkdir(parents=True)
    shutil.copyfile(REPOSITORY / "dagster.yaml", home / "dagster.yaml")
    for shard in range(3):
        write_shard(project.folder / "pool" / f"{shard:05d}.tar", shard)
    write_recipe(project.folder, RECIPE)
    port = str(free_port())
    served = ("-m", "tests.e2e.watched", "-d", str(REPOSITORY))
    command = (installed("dagster"), "dev", *served, "-h", "127.0.0.1", "-p", port)
    with dg.DagsterInstance.from_config(str(home)) as instance:  # first: two processes cannot create its tables at once
        instance.all_instigator_state()
        with started(*command, project=project) as running:
            yield Watched(project, running, instance, f"http://127.0.0.1:{port}")


def test_changes_on_disk_are_curated_and_failures_do_not_loop(watched: Watched) -> None:
    pool = watched.project.folder / "pool"
    cut, drift = ("cuts/aligned/cut_1", None), ("cluster_drift", None)

    fitted: Made = {cut, drift, ("encoder", None), ("centroids", None)}
    everything = fitted | sharded((*READ, *EMBEDDED, *of_subsets("basic", "aligned")), range(3))
    assert watched.made_by(lambda: None) == everything

    stricter = SUBSETS | {"aligned": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.25}}]}}
    assert watched.made_by(lambda: watched.edit(subsets=stricter), rest=2) == {cut} | sharded(of_subsets("aligned"), range(3))
    assert "parameter fraction: 0.5 -> 0.25 (cuts/aligned/cut_1)" in watched.curations()[0].tags["curation/reason"]

    subsets = stricter | {"wordy": {"keep": [{"caption_length": {"min_words": 8}}]}}
    assert watched.made_by(lambda: watched.edit(subsets=subsets)) == sharded(of_subsets("wordy"), range(3))
    assert {"subsets/wordy", "decisions/wordy"} <= watched.shown_assets()

    of_shard = sharded((*READ, *EMBEDDED, *of_subsets("basic", "wordy", "aligned")), (3,))
    moved = {cut, drift} | sharded(of_subsets("aligned"), range(3))  # one more shard moves the cut, and so its subset
    assert watched.made_by(lambda: write_shard(pool / "00003.tar", 3), rest=2) == of_shard | moved

    before, readable = watched.materialized(), (*READ, *of_subsets("basic", "wordy"))
    write_shard(pool / "00004.tar", 4, last_caption=POISON)
    assert_fails_once(watched)
    assert {(asset, shard) for asset, shard, run in watched.materialized() if (asset, shard, run) not in before} == sharded(
        readable, (4,)
    )

    of_shard = sharded((*READ, *EMBEDDED, *of_subsets("basic", "wordy", "aligned")), (4,))
    moved = {cut, drift} | sharded(of_subsets("aligned"), range(4))
    assert watched.made_by(lambda: write_shard(pool / "00004.tar", 4)) == of_shard | moved
    assert_published_whenever_the_content_changes(watched, subsets)


def test_canceled_run_stays_canceled_and_a_killed_one_is_made_again(watched: Watched) -> None:
    """A person ends a run, and the sensor respects it until a change; SIGKILL ends one, and the sensor asks again."""
    pid = watched.make_encoder_hang()
    (hanging,) = watched.curations()
    watched.ask(f'mutation{{terminateRun(runId: "{hanging.run_id}"){{__typename}}}}')
    ticks = watched.wait_for_skips(f"run {hanging.run_id[:8]} was canceled: waits for a change", 2)
    assert not any(tick.run_ids for tick in ticks)

    pid.unlink()
    watched.edit(subsets=SUBSETS | {"wordy": {"keep": [{"caption_length": {"min_words": 8}}]}})
    watched.running.wait_until(pid.exists, "an encoder that hangs", timeout_s=60)
    before = watched.materialized()
    pid.with_suffix("").unlink()
    os.kill(int(pid.read_text()), signal.SIGKILL)
    watched.wait_for_skips(UP_TO_DATE, 1)
    statuses = [run.status.value for run in watched.curations()]
    assert statuses == ["SUCCESS", "FAILURE", "CANCELED"]
    made = [(asset, shard) for asset, shard, _ in watched.materialized()]
    assert len(made) == len(set(made)) > len(before)
    assert all(run.is_finished for run in watched.instance.get_runs())


def assert_published_whenever_the_content_changes(watched: Watched, subsets: dict[str, object]) -> None:
    """With `publish: true` a version is made of what is there, and another after an edit that changes the rows."""
    dataset: Made = {("datasets/wordy", None)}
    same = {"publish": True, "keep": [{"caption_length": {"min_words": 8}}]}
    assert watched.made_by(lambda: watched.edit(subsets=subsets | {"wordy": same})) == dataset
    other = {"publish": True, "keep": [{"caption_length": {"min_words": 6}}]}
    made = watched.made_by(lambda: watched.edit(subsets=subsets | {"wordy": other}), rest=2)
    assert made == sharded(of_subsets("wordy"), range(5)) | dataset
    published = watched.project.folder / "lake" / "published" / "wordy"
    manifests = [json.loads((published / f"v{number}" / "manifest.json").read_text()) for number in (1, 2)]
    assert manifests[0]["rows"] < manifests[1]["rows"]
    assert manifests[1]["run_id"] in {run for asset, _, run in watched.materialized() if asset == "datasets/wordy"}
    assert sorted(path.name for path in published.iterdir()) == ["v1", "v2"]


def assert_fails_once(watched: Watched) -> None:
    """A step that fails leaves one failed run, a readable reason, and no loop."""
    curations = len(watched.curations())
    ticks = watched.wait_for_skips("waits for a change: embeddings[00004]", 1)
    versions = table_versions(watched.project.folder / "lake")
    ticks += watched.wait_for_skips("waits for a change: embeddings[00004]", 2)
    assert sum(len(tick.run_ids) for tick in ticks) == 1
    (run,) = watched.curations()[: len(watched.curations()) - curations]
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert table_versions(watched.project.folder / "lake") == versions
    told = ticks[-1].skip_reason or ""
    assert "the encoder broke" in told
    assert "\x1b" not in told
