"""Files of entries: both forms, and every way in which they can be wrong."""

import json
from pathlib import Path

import pytest

from curation_assets.algorithms.word_list import read_word_list, required_path
from curation_assets.errors import RecipeError


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_lines(tmp_path: Path):
    path = written(tmp_path, "words.txt", "\ufeffhot dog \r\n\n  caf\u00e9\n# x\na\u2028b".encode())
    assert read_word_list(path) == ("hot dog", "caf\u00e9", "# x", "a\u2028b")


def test_json_keeps_white_space(tmp_path: Path):
    entries = [" a", "b\n", "", "b\n"]
    assert read_word_list(written(tmp_path, "words.json", json.dumps(entries).encode())) == tuple(entries)


def test_an_edited_file_is_read_again(tmp_path: Path):
    assert read_word_list(written(tmp_path, "words.txt", b"old")) == ("old",)
    assert read_word_list(written(tmp_path, "words.txt", b"new")) == ("new",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.json", b'{"a": 1}', "no list of words.*found dict"),
        ("w.json", b"[1]", "entries that are no strings"),
        ("w.json", b"[", "no list of words.*Expecting value"),
        ("w.txt", b"\xff\xfe", "no list of words.*utf-8"),
        ("w.txt", b"\n \n", "has no entries"),
        ("w.json", b"[]", "has no entries"),
    ],
)
def test_files_that_are_no_lists(tmp_path: Path, name: str, content: bytes, message: str):
    with pytest.raises(RecipeError, match=message):
        read_word_list(written(tmp_path, name, content))


def test_a_folder_is_no_list(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"no list of words"):
        read_word_list(tmp_path)


def test_required_paths(tmp_path: Path):
    asked = {"score": "class_names", "setting": "classes", "meaning": "a file of names"}
    assert required_path(str(tmp_path), **asked) == tmp_path
    with pytest.raises(RecipeError, match=r"class_names needs the setting `classes`: a file of names; set scores.class_names"):
        required_path(None, **asked)
    with pytest.raises(RecipeError, match=r"setting `classes` is .*missing, where there is no file"):
        required_path(str(tmp_path / "missing"), **asked)
