"""Parquet files with images or URLs in columns: every row accounted for, and the bytes found again by row."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_assets.errors import PoolError
from resources.decode import Framing, ImageBytes, decode_rgb, decode_rows, read_payload
from resources.image_parquet import ColumnNames, read_image_parquet
from resources.image_reader import ImageReader
from resources.shard_contents import ShardContents
from tests.resources.test_image_folder import png
from tests.small_pools import uid_of

NAMES = ColumnNames("image", "text", "url", "uid", "width", "height")


def read(path: Path, **names: str | None) -> ShardContents:
    return read_image_parquet(path, NAMES._replace(**names), max_image_pixels=10**6)


def write(path: Path, row_group_size: int = 3, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def images(count: int) -> list[bytes]:
    return [png(7 * number, side_px=16 + number % 5) for number in range(count)]


@pytest.mark.parametrize("form", ["binary", "large_binary", "struct"])
def test_facts_of_images_in_a_column(tmp_path: Path, form: str) -> None:
    payloads = images(5)
    as_struct = [{"bytes": payload, "path": None} for payload in payloads]
    column = pa.array(as_struct if form == "struct" else payloads, None if form == "struct" else getattr(pa, form)())
    texts = [f"caption {n}" for n in range(5)]
    kept = read(
        write(tmp_path / "0.parquet", image=column, text=texts, url=[None, *"bcde"], uid=["x", *map(uid_of, range(4))])
    ).kept
    assert (kept["row"], kept["key"], kept["offset_bytes"]) == ([0, 1, 2, 3, 4], list("01234"), [0, 1, 2, 3, 4])
    assert (kept["text"], kept["caption_source"], kept["url"]) == (texts, ["text"] * 5, [None, *"bcde"])
    assert [len(payload) for payload in payloads] == kept["image_bytes"]
    assert [hashlib.sha256(payload).digest() for payload in payloads] == kept["image_sha256"]
    own = hashlib.sha256(payloads[0] + b"\0caption 0").hexdigest()[:32]
    assert [uid.hex() for uid in kept["uid"]] == [own, *map(uid_of, range(4))]
    assert (kept["remarks"], kept["width"]) == (["uid_malformed", "", "", "", ""], [16, 17, 18, 19, 20])


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "0.parquet", jpg=[png()], TEXT=["a caption"], URL=["here"])
    kept = read(path, image="jpg", text="TEXT", url="URL").kept
    assert (kept["text"], kept["url"], kept["uid"]) == (
        ["a caption"],
        ["here"],
        [hashlib.sha256(png() + b"\0a caption").digest()[:16]],
    )


def test_rows_without_bytes_need_a_size_and_a_name(tmp_path: Path) -> None:
    columns = {
        "text": ["t"] * 7,
        "url": ["u0", "u1", None, None, "u4", "u5", "u0"],
        "uid": [None, uid_of(1), uid_of(2), None, None, None, None],
        "width": [10, 11, 12, 13, None, 0, 10],
        "height": [20, 21, 22, 23, 24, 25, 20],
    }
    contents = read(write(tmp_path / "0.parquet", **columns), image=None)
    kept = contents.kept
    assert [uid.hex() for uid in kept["uid"]] == [hashlib.sha256(b"u0\0t").hexdigest()[:32], uid_of(1), uid_of(2)]
    assert (kept["width"], kept["height"]) == ([10, 11, 12], [20, 21, 22])
    for name in ("image_sha256", "offset_bytes", "image_bytes", "format"):
        assert kept[name] == [None] * 3
    assert contents.rejected["row"] == [3, 4, 5, 6]
    assert contents.rejected["reason"] == [*["missing_image"] * 3, "duplicate_uid"]


def test_hostile_rows_are_refused_and_the_others_stay(tmp_path: Path) -> None:
    offsets = pa.py_buffer(np.int32([0, 1, 2, 3, 4, 5, 6, 7]))
    text = pa.StringArray.from_buffers(7, offsets, pa.py_buffer(b"abc\xffefg"))
    payloads = [png(1), png(2)[:40], b"", png(4), None, png(1, side_px=2000), b"<html>"]
    contents = read(write(tmp_path / "0.parquet", image=payloads, text=text))
    assert contents.kept["row"] == [0]
    assert contents.rejected["reason"] == [
        "truncated_image", "zero_bytes", "invalid_utf8", "missing_image", "image_bomb", "not_an_image",
    ]  # fmt: skip
    contents = read(write(tmp_path / "1.parquet", image=[png(1), png(1), png(1)], text=["a", "a", None]))
    assert contents.rejected["reason"] == ["duplicate_uid", "missing_caption"]


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"text": ["a"]}, "has no column 'image'; its columns: text"),
        ({"image": [b"a"]}, "has no column 'text'"),
        ({"image": ["a"], "text": ["a"]}, "column 'image' is string, expected bytes, or a struct with bytes"),
        ({"image": [{"path": "a"}], "text": ["a"]}, "column 'image' is struct<path: string>"),
        ({"image": [{"bytes": "a"}], "text": ["a"]}, "column 'image' is string"),
        ({"image": [b"a"], "text": [1]}, "column 'text' is int64, expected text"),
        ({"image": [None], "text": ["a"], "width": ["1"]}, "column 'width' is string, expected numbers"),
    ],
)
def test_columns_that_are_no_pool(tmp_path: Path, columns: dict, fault: str) -> None:
    with pytest.raises(PoolError, match=fault):
        read(write(tmp_path / "0.parquet", **columns))


def test_a_damaged_file_is_a_fault_of_the_shard(tmp_path: Path) -> None:
    path = write(tmp_path / "0.parquet", image=images(9), text=["a"] * 9)
    content = path.read_bytes()
    for damaged in (b"", content[:-9], content[:4] + bytes(300) + content[304:]):
        path.write_bytes(damaged)
        with pytest.raises(PoolError, match=r"^0\.parquet is not a parquet file that can be read"):
            read(path)


def test_no_rows(tmp_path: Path) -> None:
    empty = {"image": pa.array([], pa.binary()), "text": pa.array([], pa.string())}
    assert read(write(tmp_path / "0.parquet", **empty)).samples_seen == 0


@pytest.mark.parametrize("is_struct", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_pixels_are_found_again_by_row(tmp_path: Path, is_struct: bool, workers: int) -> None:
    payloads = images(25)
    column = [{"bytes": payload, "path": "x"} for payload in payloads] if is_struct else payloads
    path = write(tmp_path / "0.parquet", row_group_size=4, picture=column)
    order = [0, 1, 2, 3, 4, 24, 7, 5, 8, 23, 0]
    places = [ImageBytes(str(path), row, len(payloads[row]), "picture") for row in order]
    with ImageReader(Framing(8), batch_size=3, workers=workers) as reader:
        pixels = np.concatenate([batch.pixels for batch in reader.batches(places)])
    assert np.array_equal(pixels, np.stack([decode_rgb(payloads[row], Framing(8)) for row in order]))


def test_bytes_that_are_no_longer_there_are_a_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "0.parquet", row_group_size=2, image=[png(1), None, png(3)])
    places = [ImageBytes(str(path), 0, 5, "image"), *(ImageBytes(str(path), row, 9, "image") for row in (1, 3))]
    _, errors = decode_rows(places, Framing(8))
    assert errors == [
        "OSError: row 0 has not the 5 bytes that were read from it before",
        "OSError: row 1 has not the 9 bytes that were read from it before",
        "OSError: file ends before row 3",
    ]
    assert decode_rows([ImageBytes(str(tmp_path / "gone"), 0, 1, "image")], Framing(8))[1] == [
        "FileNotFoundError: No such file or directory"
    ]


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    place = ImageBytes(str(write(tmp_path / "0.parquet", image=[png(1)])), 0, len(png(1)), "image")
    assert read_payload(place, {}) == png(1)
    write(tmp_path / "0.parquet", image=[png(2), png(3)])
    assert read_payload(place, {}) == png(2)
