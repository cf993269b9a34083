"""Folders of image files: captions found beside them or in a table, every file accounted for, nothing outside opened."""

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from curation_assets.errors import PoolError
from resources.image_folder import read_folder
from resources.shard_contents import ShardContents


def png(number: int = 0, side_px: int = 20) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side_px, side_px + 3), (number % 256, 90, 30)).save(stream, "PNG")
    return stream.getvalue()


def read(folder: Path) -> ShardContents:
    return read_folder(folder, max_image_pixels=10**6)


def write(folder: Path, files: dict[str, bytes | str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def reasons(contents: ShardContents) -> dict[str, str]:
    return dict(zip(contents.rejected["key"], contents.rejected["reason"], strict=True))


def test_captions_beside_the_images(tmp_path: Path) -> None:
    uid = "ab" * 16
    beside = json.dumps({"caption": "by json", "url": "https://example.org/c", "uid": uid, "more": 1})
    contents = read(write(tmp_path, {"a.PNG": png(1), "a.txt": "by txt", "c.d.png": png(2), "c.d.json": beside}))
    kept = contents.kept
    assert (kept["key"], kept["text"], kept["caption_source"]) == (["a.PNG", "c.d.png"], ["by txt", "by json"], ["txt", "json"])
    assert (kept["url"], kept["extra"]) == ([None, "https://example.org/c"], [None, '{"more":1}'])
    assert [one.hex() for one in kept["uid"]] == [hashlib.sha256(png(1) + b"\0by txt").hexdigest()[:32], uid]
    assert kept["image_sha256"] == [hashlib.sha256(png(n)).digest() for n in (1, 2)]
    assert (kept["offset_bytes"], kept["image_bytes"]) == ([0, 0], [len(png(1)), len(png(2))])
    assert (kept["width"], kept["height"], kept["format"]) == ([20, 20], [23, 23], ["PNG", "PNG"])
    assert not contents.rejected["row"]


TABLE = {
    "captions.csv": 'file_name,text,url\na.png,"one, two",u1\nb.png,three,u2\na.png,again,u3\ngone.png,no picture,u4\n',
    "metadata.tsv": "url\tcaption\tfile_name\nu1\tone, two\ta.png\nu2\tthree\tb.png\nu3\tagain\ta.png\nu4\t\tgone.png\n",
    "captions.jsonl": "\n".join(
        json.dumps({"file_name": name, "text": text, "url": url})
        for name, text, url in [
            ("a.png", "one, two", "u1"),
            ("b.png", "three", "u2"),
            ("a.png", "again", "u3"),
            ("gone.png", "", "u4"),
        ]
    ),
}


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_captions_in_a_table(tmp_path: Path, name: str, mark: bytes) -> None:
    contents = read(write(tmp_path, {"a.png": png(1), "b.png": png(2), "c.png": png(3), name: mark + TABLE[name].encode()}))
    kept = contents.kept
    assert (kept["key"], kept["text"]) == (["a.png", "a.png", "b.png"], ["one, two", "again", "three"])
    assert (kept["url"], kept["caption_source"], kept["remarks"]) == (["u1", "u3", "u2"], ["table"] * 3, [""] * 3)
    assert reasons(contents) == {"c.png": "missing_caption", "gone.png": "missing_image"}


def test_files_beside_an_image_go_before_the_table(tmp_path: Path) -> None:
    contents = read(write(tmp_path, {"a.png": png(), "a.txt": "beside", "captions.csv": "file_name,text\na.png,table\n"}))
    assert (contents.kept["text"], contents.kept["caption_source"]) == (["beside"], ["txt"])


def test_every_other_file_is_a_rejected_row(tmp_path: Path) -> None:
    files = {
        "README.md": "hello",
        "alone.txt": "no picture",
        "broken.png": png()[:40],
        "broken.txt": "broken",
        "empty.jpg": b"",
        "empty.txt": "empty",
        "same.png": png(1),
        "same.txt": "same",
        "same2.png": png(1),
        "same2.txt": "same",
        "noutf8.png": png(2),
        "noutf8.txt": b"\xff",
        "bomb.png": png(3, side_px=2000),
        "bomb.txt": "too large",
        "._same.png": b"",
        ".DS_Store": b"",
    }
    contents = read(write(tmp_path, files))
    (tmp_path / "inner").mkdir()
    assert contents.kept["key"] == ["same.png"]
    assert reasons(contents) == {
        "README.md": "missing_image",
        "alone.txt": "missing_image",
        "broken.png": "truncated_image",
        "empty.jpg": "zero_bytes",
        "same2.png": "duplicate_uid",
        "noutf8.png": "invalid_utf8",
        "bomb.png": "image_bomb",
    }


def test_nothing_outside_the_folder_is_opened(tmp_path: Path) -> None:
    secret = write(
        tmp_path / "outside", {"secret.png": png(9), "secret.txt": "secret", "captions.csv": "file_name,text\na.png,secret\n"}
    )
    folder = write(
        tmp_path / "pool", {"a.png": png(1), "a.txt": "one", "captions.jsonl": '{"file_name": "../outside/secret.png"}'}
    )
    (folder / "out.png").symlink_to(secret / "secret.png")
    (folder / "relative.png").symlink_to("../outside/secret.png")
    (folder / "b.png").write_bytes(png(2))
    (folder / "b.txt").symlink_to(secret / "secret.txt")
    (folder / "captions.csv").symlink_to(secret / "captions.csv")
    (folder / "folder.png").symlink_to(secret)
    (folder / "nowhere.png").symlink_to("gone")
    (folder / "inside.png").symlink_to("a.png")
    (folder / "inside.txt").write_text("followed")
    os.mkfifo(folder / "pipe.png")
    contents = read(folder)
    assert contents.kept["text"] == ["one", "followed"]
    found = reasons(contents)
    assert found.pop("b.png") == "missing_caption"
    assert found.pop("../outside/secret.png") == "missing_image"
    assert set(found) == {"out.png", "relative.png", "b.txt", "captions.csv", "folder.png", "nowhere.png", "pipe.png"}
    assert set(found.values()) == {"not_a_regular_file"}
    assert hashlib.sha256(png(9)).digest() not in contents.kept["image_sha256"]


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(png())
    except OSError:
        pytest.skip("this file system refuses such names")
    assert reasons(read(tmp_path)) == {"\ufffd.png": "malformed_name"}


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        (
            {"captions.csv": "file_name,text\n", "metadata.csv": "file_name,text\n"},
            "several tables .* captions.csv and metadata",
        ),
        ({"captions.csv": "name,text\na,b\n"}, "captions.csv has columns name, text; expected file_name, and text or caption"),
        ({"captions.csv": ""}, "captions.csv has columns ; expected"),
        ({"captions.csv": b"file_name,text\n\xff,\xfe\n"}, "captions.csv cannot be read: 'utf-8' codec"),
        ({"captions.csv": 'file_name,text\na,"open\n'}, "captions.csv cannot be read: unexpected end of data"),
        ({"captions.jsonl": '{"file_name": "a"}\n[1]'}, "captions.jsonl, line 2: expected an object, found list"),
        ({"captions.jsonl": '{"text": "a"}'}, "captions.jsonl, line 1: no file_name"),
        ({"captions.jsonl": "[" * 10**5}, "captions.jsonl, line 1"),
    ],
)
def test_a_table_that_cannot_be_read_is_a_fault_of_the_shard(tmp_path: Path, files: dict, fault: str) -> None:
    with pytest.raises(PoolError, match=fault):
        read(write(tmp_path, files))


@pytest.mark.parametrize("spoil", [lambda path: None, lambda path: path.write_bytes(b"")])
def test_what_is_no_folder(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tmp_path / "pool")
    with pytest.raises(PoolError, match="pool cannot be listed"):
        read(tmp_path / "pool")


def test_an_empty_folder(tmp_path: Path) -> None:
    assert read(tmp_path).samples_seen == 0
