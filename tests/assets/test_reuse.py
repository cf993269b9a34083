"""Rows taken over from a shard's former version: exactly those made from the same, and never to be told from made ones."""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.assets.reuse import Reuse, find_reusable
from curation_assets.assets.step import Draft, Step
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State
from curation_assets.lineage.planning import FAILED_CHECKS
from curation_assets.tables import Key
from resources.delta import Part
from tests.small_project import make_project

# uid, image, caption; images below 0 cannot be decoded.
Sample = tuple[int, int, int]
POOL, ENCODER, EMBEDDINGS, SCORE = ("raw_pool",), ("encoder",), ("embeddings",), ("scores", "clip_score")
SHARD = "00000"
FIVE = [(1, 10, 0), (2, 20, 0), (3, -30, 1), (4, 40, 2), (5, 50, 3)]


class Shard:
    """One shard of a lake without tars: its pool, its encoder and its embeddings are written by hand."""

    def __init__(self, folder: Path) -> None:
        self.project: Project = make_project(folder, "pool/*.tar")
        self.encoder("0")

    def encoder(self, weights: str) -> None:
        facts = {"weights_sha256": weights, "encoder_name": "", "weights": "", "network": ""}
        columns = {**facts, "dimensions": 4, "encoder_image_size_px": 8}
        step = self.step(ENCODER, None)
        self.store(step.draft(ENCODER, {name: pa.array([value]) for name, value in columns.items()}, data_version=weights))

    def pool(self, samples: Sequence[Sample], first_row: int = 0) -> None:
        uid, image, caption = (list(column) for column in zip(*samples, strict=True)) if samples else ([], [], [])
        n, nothing = len(samples), pa.nulls(len(samples), pa.string())
        columns: dict[str, pa.Array | np.ndarray] = {
            "row": np.arange(first_row, first_row + n, dtype=np.int32) * 2,
            "uid_hi": np.zeros(n, np.int64),
            "uid_lo": np.array(uid, np.int64),
            "image_sha256": pa.array([f"{i}".encode() for i in image], pa.binary()),
            "text": pa.array([f"caption {c}" for c in caption], pa.string()),
            "is_sha256_matching": pa.nulls(n, pa.bool_()),
            **{name: nothing for name in ("url", "licence", "extra")},
            **{name: pa.repeat("", n) for name in ("key", "caption_source", "format", "tar", "remarks")},
            **{name: np.ones(n, np.int64) for name in ("width", "height", "offset_bytes", "image_bytes")},
        }
        self.store(self.step(POOL).draft(POOL, columns))

    def embed(self) -> tuple[Reuse, Draft]:
        """Embeddings as the asset makes them, from what decides them."""
        step = self.step(EMBEDDINGS)
        pool = step.read(POOL, ["row", "image_sha256", "text"])
        reuse = find_reusable(step, {POOL: ["image_sha256", "text"]})
        weights = step.read(ENCODER)["weights_sha256"][0].as_py()
        columns = reuse.completed(lambda fresh: vectors(pool.take(fresh), weights))
        draft = step.draft(EMBEDDINGS, {"row": pool["row"], **columns}, reuse.facts)
        scratch = step.draft(EMBEDDINGS, {"row": pool["row"], **vectors(pool, weights)})
        assert draft.table.equals(scratch.table)
        assert draft.record["data_version"] == scratch.record["data_version"]
        self.store(draft)
        return reuse, draft

    def step(self, key: Key, shard: str | None = SHARD) -> Step:
        snapshots = {key: self.project.lake.snapshot(node.name) for key, node in self.project.graph.items()}
        return Step(State(self.project, {}, [SHARD], snapshots), key, shard, "run")

    def store(self, draft: Draft, **more: object) -> None:
        part = Part(draft.shard, draft.table, {**draft.record, **more})
        self.project.lake.write(self.project.graph[draft.key].name, [part])


def vectors(pool: pa.Table, weights: str) -> dict[str, pa.Array]:
    """What an encoder of these weights makes of each row alone."""
    images, texts = pool["image_sha256"].to_pylist(), pool["text"].to_pylist()
    bad = [image.startswith(b"-") for image in images]

    def digests(values: Sequence[bytes]) -> pa.Array:
        made = [
            None if is_bad else hashlib.sha256(weights.encode() + v).digest() for v, is_bad in zip(values, bad, strict=True)
        ]
        return pa.array(made, pa.binary())

    reasons = [f"undecodable: {image.decode()}" if is_bad else None for image, is_bad in zip(images, bad, strict=True)]
    return {
        "image_embedding": digests(images),
        "text_embedding": digests([text.encode() for text in texts]),
        "reason": pa.array(reasons, pa.string()),
    }


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    """The five samples with their embeddings."""
    made = Shard(tmp_path)
    made.pool(FIVE)
    made.embed()
    return made


def reused(shard: Shard) -> list[int]:
    """Where each row stood before, once the embeddings are made again."""
    return shard.embed()[0].at.tolist()


def test_the_first_time_everything_is_made(tmp_path: Path) -> None:
    shard = Shard(tmp_path)
    shard.pool(FIVE)
    reuse, draft = shard.embed()
    assert (reuse.at.tolist(), reuse.former, reuse.summary) == ([-1] * 5, None, "5 rows")
    assert (draft.record["rows_made"], draft.record["rows_reused"]) == (5, 0)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (FIVE, [0, 1, 2, 3, 4]),
        (FIVE[::-1], [4, 3, 2, 1, 0]),
        (FIVE[1:4], [1, 2, 3]),
        ([(9, 90, 0), *FIVE, (8, 80, 0)], [-1, 0, 1, 2, 3, 4, -1]),
        ([(1, 10, 0), (2, 20, 9), (4, 40, 2)], [0, -1, 3]),
        ([(1, 11, 0), (2, 20, 0)], [-1, 1]),
        ([(1, 20, 0), (2, 10, 0)], [-1, -1]),
        ([(7, 10, 0)], [-1]),
        ([(3, -30, 1)], [2]),
        ([], []),
    ],
    ids=["same", "shuffled", "removed", "added", "caption", "image", "swapped", "uid", "undecodable", "emptied"],
)
def test_a_row_is_taken_over_where_its_uid_image_and_caption_are_what_they_were(
    shard: Shard, samples: list[Sample], expected: list[int]
) -> None:
    shard.pool(samples, first_row=3)
    assert reused(shard) == expected


def test_a_null_is_taken_over_with_its_reason(shard: Shard) -> None:
    shard.pool(FIVE[2:])
    reuse, draft = shard.embed()
    assert reuse.summary == "0 rows made, 3 taken over"
    assert draft.table.column("reason").to_pylist() == ["undecodable: -30", None, None]
    assert draft.table.column("image_embedding")[0].as_py() is None


def test_rows_are_compared_with_what_the_stored_rows_were_made_from_however_long_ago(shard: Shard) -> None:
    shard.pool([(1, 11, 0), (2, 20, 0)])
    shard.pool([])
    shard.pool([(2, 20, 0), (1, 10, 0)])
    assert reused(shard) == [1, 0]
    shard.pool(FIVE)
    assert reused(shard) == [1, 0, -1, -1, -1], "the two rows of the newest version, not the five of the first"


def test_rows_that_depend_on_rows_are_compared_by_those(shard: Shard) -> None:
    """A score reads embeddings; NULL agrees with NULL only where the reason is the same."""

    def score() -> list[int]:
        step = shard.step(SCORE)
        reuse = find_reusable(step, {EMBEDDINGS: ["image_embedding", "reason"]})
        rows = step.read(EMBEDDINGS, ["row", "reason"])
        reasons = rows["reason"].combine_chunks()
        columns = reuse.completed(lambda fresh: {"clip_score": pa.array(fresh, pa.float32()), "reason": reasons.take(fresh)})
        shard.store(step.draft(SCORE, {"row": rows["row"], **columns}))
        return reuse.at.tolist()

    assert score() == [-1] * 5
    shard.pool([(3, -31, 1), (1, 10, 3), (2, 20, 0), (4, -40, 2)])
    shard.embed()
    assert score() == [-1, 0, 1, -1], "the caption of the second is no input of this score"


def test_another_encoder_makes_everything(shard: Shard) -> None:
    shard.encoder("other weights")
    assert reused(shard) == [-1] * 5
    shard.pool(FIVE[1:])
    assert reused(shard) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "changes", [{"code_version": "0"}, {"parameters": {}}, {"inputs": None}, {FAILED_CHECKS: ["unit_norm"]}]
)
def test_other_code_other_parameters_and_failed_checks_make_everything(shard: Shard, changes: dict[str, object]) -> None:
    record = shard.project.records(EMBEDDINGS)[SHARD]
    rows = shard.project.lake.read("embeddings", shard=SHARD)
    shard.project.lake.write("embeddings", [Part(SHARD, rows, {**record, **changes})])
    assert reused(shard) == [-1] * 5


def test_a_vacuumed_history_makes_everything(shard: Shard) -> None:
    shard.pool(FIVE[::-1])
    table = DeltaTable(shard.project.lake.uri("raw_pool"))
    assert table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert reused(shard) == [-1] * 5
    shard.pool(FIVE)
    assert reused(shard) == [4, 3, 2, 1, 0], "and the next time they are taken over again"


def test_only_positions_that_are_new_are_made() -> None:
    former = pa.table({"value": pa.chunked_array([["a"], ["b", "c"]])})
    asked: list[list[int]] = []

    def make(fresh: np.ndarray) -> dict[str, pa.Array]:
        asked.append(fresh.tolist())
        return {"value": pa.array([f"new {i}" for i in fresh])}

    made = Reuse(former, np.array([2, -1, 0, -1, 2])).completed(make)
    assert (made["value"].to_pylist(), asked) == (["c", "new 1", "a", "new 3", "c"], [[1, 3]])


SAMPLES = st.tuples(st.integers(1, 6), st.sampled_from([10, 20, -30]), st.integers(0, 1))
SHARDS = st.lists(SAMPLES, unique_by=lambda sample: sample[0], max_size=5)
EVENTS = st.lists(st.sampled_from(["vacuum", "encoder", "nothing", "nothing", "nothing"]), max_size=1)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(SHARDS, EVENTS, st.booleans()), min_size=2, max_size=6))
def test_any_history_makes_what_changed_and_ends_as_if_all_had_been_made(
    history: list[tuple[list[Sample], list[str], bool]],
) -> None:
    """`embed` itself compares with making everything; here it is told how much has to be made."""
    with tempfile.TemporaryDirectory() as folder:
        shard, weights, versions, oldest = Shard(Path(folder)), "0", [], 0
        stored: tuple[list[Sample], str] = ([], "")
        for samples, events, is_embedded in history:
            shard.pool(samples)
            versions.append(samples)
            if "encoder" in events:
                weights += "'"
                shard.encoder(weights)
            if "vacuum" in events:
                DeltaTable(shard.project.lake.uri("raw_pool")).vacuum(0, dry_run=False, enforce_retention_duration=False)
                oldest = len(versions) - 1
            if is_embedded:
                former, its_weights = stored
                is_there = former in versions[oldest:] and its_weights == weights
                assert reused(shard) == [former.index(one) if is_there and one in former else -1 for one in samples]
                stored = (samples, weights)
