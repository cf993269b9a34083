"""Shards of DataComp: every row accounted for, hostile rows refused with a reason, faulty files with a fault."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import PoolError
from resources.datacomp import read_datacomp
from resources.webdataset import SMALL_MEMBER_LIMIT_BYTES
from tests.small_pools import datacomp_columns, datacomp_features, uid_of, write_datacomp

NEEDED = ("uid", "url", "text")


def test_facts_are_those_of_the_columns(tmp_path: Path) -> None:
    columns = datacomp_columns(4)
    contents = read_datacomp(write_datacomp(tmp_path / "0.parquet", columns, datacomp_features(4)))
    kept = contents.kept
    assert (contents.samples_seen, kept["row"], contents.rejected["row"]) == (4, [0, 1, 2, 3], [])
    assert [uid.hex() for uid in kept["uid"]] == kept["key"] == columns["uid"]
    assert (kept["url"], kept["text"], kept["width"], kept["height"]) == (
        columns["url"], columns["text"], columns["original_width"], columns["original_height"],
    )  # fmt: skip
    assert [digest.hex() for digest in kept["image_sha256"]] == columns["sha256"]
    assert kept["stored_clip_b32_score"] == columns["clip_b32_similarity_score"]
    assert kept["stored_clip_l14_score"] == columns["clip_l14_similarity_score"]
    assert [None if extra is None else json.loads(extra)["face_bboxes"] for extra in kept["extra"]] == [
        boxes or None for boxes in columns["face_bboxes"]
    ]
    assert kept["reason"] == [None] * 4
    for name in ("offset_bytes", "image_bytes", "format", "is_sha256_matching", "licence"):
        assert kept[name] == [None] * 4


def test_what_may_be_missing_is_null(tmp_path: Path) -> None:
    columns = {name: datacomp_columns(2)[name] for name in NEEDED}
    kept = read_datacomp(write_datacomp(tmp_path / "0.parquet", columns, None)).kept
    for name in ("width", "height", "image_sha256", "extra", "stored_clip_b32_score", "stored_clip_l14_score"):
        assert kept[name] == [None] * 2
    assert kept["reason"] == ["clip_b32_similarity_score is missing; clip_l14_similarity_score is missing"] * 2


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("uid", None, "malformed_uid"),
        ("uid", "", "malformed_uid"),
        ("uid", "g" * 32, "malformed_uid"),
        ("uid", "a" * 31 + "\n", "malformed_uid"),
        ("uid", " " + "a" * 31, "malformed_uid"),
        ("uid", "é" * 16, "malformed_uid"),
        ("uid", "a" * 33, "malformed_uid"),
        ("uid", uid_of("0 0").upper(), "duplicate_uid"),
        ("text", None, "missing_caption"),
        ("text", "x" * (SMALL_MEMBER_LIMIT_BYTES + 1), "missing_caption"),
        ("original_width", 0, "malformed_size"),
        ("original_height", -5, "malformed_size"),
        ("original_width", 2**31, "malformed_size"),
    ],
)
def test_a_hostile_row_is_refused_and_the_others_stay(tmp_path: Path, name: str, value: object, reason: str) -> None:
    columns = datacomp_columns(3)
    columns[name][1] = value
    contents = read_datacomp(write_datacomp(tmp_path / "0.parquet", columns, datacomp_features(3)))
    assert contents.kept["row"] == [0, 2]
    assert (contents.rejected["row"], contents.rejected["reason"]) == ([1], [reason])
    assert len(contents.rejected["detail"][0]) < 200


def test_texts_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    columns = datacomp_columns(2)
    offsets, values = pa.py_buffer(np.int32([0, 2, 4])), pa.py_buffer(b"ok\xff\xfe")
    broken = pa.StringArray.from_buffers(2, offsets, values)
    contents = read_datacomp(write_datacomp(tmp_path / "0.parquet", {**columns, "text": broken, "url": broken}, None))
    assert (contents.kept["text"], contents.kept["url"]) == (["ok"], ["ok"])
    assert contents.rejected["reason"] == ["invalid_utf8"]
    contents = read_datacomp(write_datacomp(tmp_path / "1.parquet", {**columns, "url": broken, "uid": broken}, None))
    assert contents.rejected["reason"] == ["malformed_uid"] * 2
    assert contents.rejected["key"] == ["ok", "��"]


def test_sizes_of_other_number_types(tmp_path: Path) -> None:
    columns = datacomp_columns(5)
    columns["original_width"] = [1.0, 1.5, float("nan"), float("inf"), None]
    contents = read_datacomp(write_datacomp(tmp_path / "0.parquet", columns, None))
    assert (contents.kept["row"], contents.kept["width"]) == ([0, 2, 4], [1, None, None])
    assert contents.rejected["reason"] == ["malformed_size"] * 2


def test_stated_values_that_are_none(tmp_path: Path) -> None:
    columns = datacomp_columns(5)
    columns["clip_l14_similarity_score"] = [1.0, 1.01, float("nan"), None, float("-inf")]
    columns["sha256"][0] = "not hex"
    columns["face_bboxes"][0] = [[float("nan")]]
    kept = read_datacomp(write_datacomp(tmp_path / "0.parquet", columns, None)).kept
    assert kept["stored_clip_l14_score"] == [1.0, None, None, None, None]
    name = "clip_l14_similarity_score"
    assert kept["reason"] == [
        None, f"{name} is 1.01, no cosine", f"{name} is missing", f"{name} is missing", f"{name} is -inf, no cosine",
    ]  # fmt: skip
    assert kept["remarks"] == ["sha256_malformed,face_bboxes_malformed", "", "", "", ""]
    assert (kept["image_sha256"][0], kept["extra"][0]) == (None, None)


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_column_is_a_fault_of_the_shard(tmp_path: Path, name: str) -> None:
    columns = {column: values for column, values in datacomp_columns(2).items() if column != name}
    with pytest.raises(PoolError, match=rf"^0\.parquet has no column '{name}'; its columns: "):
        read_datacomp(write_datacomp(tmp_path / "0.parquet", columns, None))


@pytest.mark.parametrize(
    ("name", "values", "fault"),
    [
        ("text", [1, 2], "column 'text' is int64, expected text"),
        ("uid", [[], []], r"column 'uid' is list<.*>, expected text"),
        ("original_width", ["1", "2"], "column 'original_width' is string, expected numbers"),
        ("clip_b32_similarity_score", [True, False], "is bool, expected numbers"),
        ("sha256", [b"a", b"b"], "column 'sha256' is binary, expected text"),
    ],
)
def test_a_column_of_another_type_is_a_fault_of_the_shard(tmp_path: Path, name: str, values: list, fault: str) -> None:
    with pytest.raises(PoolError, match=fault):
        read_datacomp(write_datacomp(tmp_path / "0.parquet", {**datacomp_columns(2), name: values}, None))


def test_boxes_of_another_type_are_left_out(tmp_path: Path) -> None:
    columns = {**datacomp_columns(2), "face_bboxes": ["a", "b"]}
    assert read_datacomp(write_datacomp(tmp_path / "0.parquet", columns, None)).kept["extra"] == [None, None]


def test_a_column_twice_is_a_fault_of_the_shard(tmp_path: Path) -> None:
    columns = datacomp_columns(1)
    table = pa.Table.from_arrays([pa.array(columns[name]) for name in (*NEEDED, "text")], [*NEEDED, "text"])
    pq.write_table(table, tmp_path / "0.parquet")
    with pytest.raises(PoolError, match="has column 'text' twice"):
        read_datacomp(tmp_path / "0.parquet")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PAR1" + bytes(50) + b"PAR1"),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(path.read_bytes()[:4] + bytes(200) + path.read_bytes()[204:]),
        lambda path: path.with_suffix(".npz").write_bytes(b"no archive"),
        lambda path: np.savez(path.with_suffix(".npz"), **datacomp_features(3)),
    ],
)
def test_a_file_that_cannot_be_read_is_a_fault_of_the_shard(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = write_datacomp(tmp_path / "0.parquet", datacomp_columns(4), datacomp_features(4))
    spoil(path)
    with pytest.raises(PoolError, match=r"^0\.(parquet|npz)") as caught:
        read_datacomp(path)
    assert str(tmp_path) not in str(caught.value), "the fault is stored, and a pool may be moved"


def test_a_flipped_bit_of_the_features_is_found_where_all_is_decoded(tmp_path: Path) -> None:
    path = write_datacomp(tmp_path / "0.parquet", datacomp_columns(2000), datacomp_features(2000))
    content = bytearray(path.with_suffix(".npz").read_bytes())
    content[30_000] ^= 1
    path.with_suffix(".npz").write_bytes(content)
    assert read_datacomp(path).samples_seen == 2000
    with pytest.raises(PoolError, match="Bad CRC-32"):
        read_datacomp(path, verify="decode")


def test_a_shard_without_rows(tmp_path: Path) -> None:
    columns = {name: pa.array(values).slice(0, 0) for name, values in datacomp_columns(1).items()}
    contents = read_datacomp(write_datacomp(tmp_path / "0.parquet", columns, datacomp_features(0)))
    assert contents.samples_seen == 0
    assert not any(contents.kept.values())


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(0, 4).map(uid_of), st.text(max_size=33)),
            st.one_of(st.none(), st.text(max_size=5)),
            st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(1, 9)),
        ),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_every_row_is_kept_or_refused(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple]) -> None:
    uid, text, width = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    columns = {
        "uid": pa.array(uid, pa.string()),
        "url": pa.array(text, pa.string()),
        "text": pa.array(text, pa.string()),
        "original_width": pa.array(width, pa.int64()),
    }
    contents = read_datacomp(write_datacomp(tmp_path_factory.mktemp("shard") / "0.parquet", columns, None))
    good, seen = [], set()
    for row, (one, caption, side) in enumerate(rows):
        is_uid = one is not None and len(one) == 32 and all(c in "0123456789abcdefABCDEF" for c in one)
        if is_uid and caption is not None and (side is None or 1 <= side < 2**31) and one.lower() not in seen:
            good.append(row)
            seen.add(one.lower())
    assert contents.kept["row"] == good
    assert contents.rejected["row"] == [row for row in range(len(rows)) if row not in good]
