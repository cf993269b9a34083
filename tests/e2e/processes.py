"""Real processes for the end-to-end tests: small projects, the installed `curate`, and what a lake holds afterwards.

The lake is read here with deltalake and pyarrow alone, so that a fault of the project's own reader cannot hide.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable
from pyarrow import fs

REPOSITORY = Path(__file__).parents[2]
# The smallest training that the recipe allows to be cut between epochs.
TINY_TRAINING = {"epochs": 2, "width": 32, "heads": 2, "embed_dim": 32, "image_layers": 1, "text_layers": 1, "batch_size": 32}


class Project(NamedTuple):
    """A folder with a recipe of its own and a Dagster instance of its own."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of every process of the project: nothing outside it is read, nothing on the network is asked."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "CURATION"))}
        return {
            **inherited,
            "DAGSTER_HOME": str(self.folder / ".dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "CURATION_RECIPE": str(self.folder / "curation.yaml"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def curate(self, *arguments: str, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        """Run `curate` to its end."""
        with started(installed("curate"), *arguments, project=self) as running:
            return running.finished(timeout_s)


class Running:
    """A process in a group of its own, whose lines are kept as they come."""

    def __init__(self, command: list[str], project: Project) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=project.folder,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        pipes = ((self.process.stdout, self.out), (self.process.stderr, self.err))
        self._readers = [threading.Thread(target=_keep_lines, args=pair, daemon=True) for pair in pipes]
        for reader in self._readers:
            reader.start()

    def wait_until(self, is_met: Callable[[], bool], what: str, timeout_s: float = 180) -> None:
        """Wait for a condition, looked at every few milliseconds; a process that ends before it fails the test."""
        limit = time.monotonic() + timeout_s
        while not is_met():
            ended = self.process.poll()
            assert ended is None or is_met(), f"ended with {ended} before {what}:\n{self.output}"
            assert time.monotonic() < limit, f"no {what} within {timeout_s} s:\n{self.output}"
            time.sleep(0.005)

    def has_said(self, text: str) -> bool:
        """Whether a whole line with this text came on standard error."""
        return any(text in line for line in list(self.err))

    def finished(self, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        """Wait for the end; a process that does not come to it fails the test with what it said last."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.process.args} did not end within {timeout_s} s:\n{self.output}")
        for reader in self._readers:
            reader.join(30)
        return subprocess.CompletedProcess(self.process.args, code, "".join(self.out), "".join(self.err))

    def kill(self) -> int:
        """SIGKILL to the whole group, as a machine that runs out of memory does; returns the exit status."""
        os.killpg(self.process.pid, signal.SIGKILL)
        return self.finished(30).returncode

    def stop(self, grace_s: float = 20) -> None:
        """End the group: SIGTERM, and SIGKILL for what is still there."""
        for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 10)):
            if not self._signalled(number):
                return
            limit = time.monotonic() + patience_s
            while time.monotonic() < limit:
                self.process.poll()
                if not self._signalled(0):
                    return
                time.sleep(0.05)

    def _signalled(self, number: int) -> bool:
        """Send a signal to the group; False when nothing of it is left."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return False
        return True

    @property
    def output(self) -> str:
        """The newest lines of both streams."""
        return "".join([*self.out[-40:], *self.err[-60:]])


class Stored(NamedTuple):
    """A table of a lake: its rows in a fixed order, and what each partition's newest commit recorded."""

    rows: pa.Table
    records: dict[str | None, dict[str, object]]


def installed(name: str) -> str:
    """A command that is installed beside the running Python."""
    return str(Path(sys.executable).with_name(name))


@contextmanager
def started(*command: str, project: Project) -> Iterator[Running]:
    """A running command; nothing of it is left afterwards."""
    running = Running(list(command), project)
    try:
        yield running
    finally:
        running.stop()


def new_project(folder: Path, training: Mapping[str, int] | None = None) -> Project:
    """The repository's own recipe and Dagster settings in a folder, with a training of seconds."""
    folder.mkdir(parents=True)
    shutil.copyfile(REPOSITORY / "dagster.yaml", folder / "dagster.yaml")
    recipe = yaml.safe_load((REPOSITORY / "curation.yaml").read_text(encoding="utf-8"))
    recipe["filter_network"] |= training or TINY_TRAINING
    recipe["automation"] = {"run": "never"}  # the tests decide when something runs
    (folder / "curation.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return Project(folder)


def stored_tables(lake: Path) -> dict[str, Stored]:
    """Every Delta table below a folder."""
    logs = sorted(lake.rglob("_delta_log"))
    return {log.parent.relative_to(lake).as_posix(): _stored(log.parent) for log in logs}


def table_versions(lake: Path) -> dict[str, int]:
    """Version of every Delta table below a folder."""
    logs = sorted(lake.rglob("_delta_log"))
    return {log.parent.relative_to(lake).as_posix(): DeltaTable(log.parent).version() for log in logs}


def _stored(path: Path) -> Stored:
    table = DeltaTable(path)
    # The filesystem is pyarrow's: with deltalake's own a finished process can abort at exit.
    rows = table.to_pyarrow_dataset(filesystem=fs.SubTreeFileSystem(str(path), fs.LocalFileSystem())).to_table()
    order = [(name, "ascending") for name in ("shard", "row", "centroid_id") if name in rows.column_names]
    records: dict[str | None, dict[str, object]] = {}
    for commit in table.history():
        kept = commit.get("curation", {"partitions": []})
        for shard, own in kept["partitions"]:
            records.setdefault(shard, {**kept["shared"], **own})
    return Stored((rows.sort_by(order) if order else rows).combine_chunks(), records)


def _keep_lines(pipe: IO[str], lines: list[str]) -> None:
    with pipe:
        for line in pipe:
            lines.append(line)


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
