"""What a change machine needs: tars written sample by sample, and a look at what a lake holds and what was written to it."""

import io
import itertools
import json
import os
import re
import signal
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from PIL import Image

from curation_assets.holdings.state import State
from curation_assets.lineage.freshness import partition_name
from curation_assets.nodes import partitions
from resources.delta import Lake, Part
from tests.small_project import TinyEncoder

# uid (0: the json has none), picture (0 breaks when it is decoded, 1 is no picture at all), caption.
Sample = tuple[int, int, int]
# Data version, rows and inputs of each partition.
Tables = dict[str, tuple[str, pa.Table, Mapping[str, str]]]

CAPTIONS = (
    "a photograph of the old harbour at night",
    "ein altes Haus am Rande der kleinen Stadt",
    "dog",
    "two brown dogs are running over the green field",
)


class Clip:
    """Stands in for the resource `clip`: as with the real one, its weights are what the checkpoint file says."""

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint

    def __repr__(self) -> str:
        return f"Clip({self._checkpoint})"

    def load(self) -> TinyEncoder:
        return TinyEncoder(int(self._checkpoint.read_text()))


@lru_cache
def picture(number: int) -> bytes:
    if number == 1:
        return b"no picture"
    if number == 0:
        header = struct.pack(">IIBBBBB", 24, 24, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", b"not deflated"), (b"IEND", b""))
        framed = [struct.pack(">I", len(b)) + t + b + struct.pack(">I", zlib.crc32(t + b)) for t, b in chunks]
        return b"\x89PNG\r\n\x1a\n" + b"".join(framed)
    written = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (24, 24, 3), np.uint8)).save(written, "PNG")
    return written.getvalue()


def write_tar(path: Path, samples: list[Sample]) -> None:
    with tarfile.open(path, "w") as tar:
        for i, (uid, image, caption) in enumerate(samples):
            fields = json.dumps({"uid": f"{uid:032x}"} if uid else {}).encode()
            for extension, content in (("png", picture(image)), ("txt", CAPTIONS[caption].encode()), ("json", fields)):
                member = tarfile.TarInfo(f"{i:03d}.{extension}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


class Files:
    """Tars and checkpoints below a folder's `main`; tars that are not there are kept beside it.

    Each file has a time of its own, since two of one size can be written between two ticks of the clock.
    """

    def __init__(self, folder: Path) -> None:
        self._pool, self._away, self._clock = folder / "main" / "pool", folder / "away", itertools.count(1_700_000_000)
        self.tars: dict[str, list[Sample]] = {}  # what is in them, wherever they are
        self.weights: dict[str, int] = {}
        for made in (self._pool, self._away):
            made.mkdir(parents=True)

    @property
    def present(self) -> list[str]:
        """Shards that the pool has, readable or not."""
        return sorted(path.stem for path in self._pool.iterdir())

    @property
    def away(self) -> list[str]:
        """Shards whose tar has been taken away, or replaced by something that is none."""
        return sorted(path.stem for path in self._away.iterdir())

    @property
    def readable(self) -> dict[str, list[Sample] | None]:
        """What can be read of the pool."""
        return {name: self.tars[name] if self._tar(name).is_file() else None for name in self.present}

    def write(self, name: str, samples: list[Sample]) -> None:
        self.take_away(name)
        (self._away / f"{name}.tar").unlink(missing_ok=True)
        self.tars[name] = samples
        write_tar(self._tar(name), samples)
        self._stamp(self._tar(name))

    def take_away(self, name: str) -> None:
        if self._tar(name).is_dir():
            self._tar(name).rmdir()
        elif self._tar(name).exists():
            self._tar(name).rename(self._away / f"{name}.tar")

    def make_unreadable(self, name: str) -> None:
        """A folder in its place; permissions would not keep root from reading."""
        self.take_away(name)
        self._tar(name).mkdir()

    def bring_back(self, name: str) -> None:
        self.take_away(name)
        (self._away / f"{name}.tar").rename(self._tar(name))

    def write_weights(self, name: str, seed: int) -> None:
        """A checkpoint; the same weights once more leave the file alone."""
        path = self._pool.parent / name
        if self.weights.get(name) != seed:
            self.weights[name] = seed
            path.write_text(str(seed))
            self._stamp(path)

    def _tar(self, name: str) -> Path:
        return self._pool / f"{name}.tar"

    def _stamp(self, path: Path) -> None:
        second = next(self._clock)
        os.utime(path, (second, second))


def counting(inputs: Mapping[str, str], pinned: set[str], gone: set[str]) -> dict[str, str]:
    """Recorded inputs that decide: without pinned artifacts, shards that are gone (they are empty), and stamps of files."""
    parts = {name: re.fullmatch(r"([^\[]*)(.*)", name) for name in inputs if not name.startswith("file")}
    return {name: inputs[name] for name, found in parts.items() if found[1] not in pinned and found[2] not in gone}


def read_tables(state: State) -> Tables:
    """Every partition of the shards that the pool has; of those that it has no more, no row may be left."""
    gone, found = {f"[{shard}]" for shard in state.shards if shard not in state.files}, {}
    for key, node in state.project.graph.items():
        pinned, snapshot = {state.project.graph[other].name for other in node.pinned}, state.snapshots[key]
        assert set(snapshot.files) <= {None, *state.files}, f"{node.name} has rows of a shard in {gone}"
        for shard in partitions(node, list(state.files)):
            record = state.records[key][shard]
            inputs = counting(record["inputs"], pinned, gone)
            found[partition_name(node.name, shard)] = (record["data_version"], snapshot.read(shard), inputs)
    return found


def needed(before: State, after: State, name: str, reasons: list[str]) -> bool:
    """Whether what a partition is made from has changed in anything that counts, told from its two records."""
    artifact, _, shard = name.removesuffix("]").partition("[")
    node = next(node for node in after.project.graph.values() if node.name == artifact)
    old, new = (state.records[node.key].get(shard or None) for state in (before, after))
    if old is None or passed_limit(reasons):
        return True
    pinned = {after.project.graph[key].name for key in node.pinned}
    inputs = [{n: v for n, v in record["inputs"].items() if n.partition("[")[0] not in pinned} for record in (old, new)]
    return inputs[0] != inputs[1] or any(old[part] != new[part] for part in ("code_version", "parameters"))


def passed_limit(reasons: Iterable[str]) -> bool:
    """Whether one of the reasons is a measured limit, such as drift, and not a change."""
    return not all(reason.startswith(("missing", "code version", "parameter", "input")) for reason in reasons)


def steps(names: Iterable[str]) -> set[str]:
    """Names without those that another's step makes."""
    return {name.replace("rejected_samples", "raw_pool").replace("decisions/", "subsets/") for name in names}


@contextmanager
def watched_writes(kill: str = "") -> Iterator[list[str]]:
    """Partitions as they are written, `record of` those that keep their rows; `kill` names a commit and what happens there.

    It interrupts the process before or after the commit of a number, or makes it fail.
    """
    how, when, number = kill.split() if kill else ("", "", "0")
    written: list[str] = []
    left, write = itertools.count(int(number) - 1, -1), Lake.write

    def stop() -> None:
        if how == "error":
            raise OSError("no space left on device")
        signal.raise_signal(signal.SIGINT)

    def watched(lake: Lake, table: str, parts: Sequence[Part]) -> int:
        is_last = next(left) == 0
        if is_last and when == "before":
            stop()
        version = write(lake, table, parts)
        names = {partition_name(table, part.shard): part.rows is None for part in parts}
        written.extend(f"record of {name}" if is_record else name for name, is_record in names.items())
        if is_last and when == "after":
            stop()
        return version

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lake, "write", watched)
        yield written


def vacuum(lake: Path) -> None:
    """Forget all former versions of the tables that rows are compared with."""
    for table in ("raw_pool", "embeddings", "cluster_assignments"):
        if (lake / table).exists():
            DeltaTable(str(lake / table)).vacuum(0, dry_run=False, enforce_retention_duration=False)
