"""Classes that captions name, against a search with regular expressions, one per class."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation_assets.errors import RecipeError
from curation_assets.scores.class_names import class_names
from tests.conftest import SHARED


def found(path: Path, *captions: str, is_spaced: bool = True) -> list[tuple[int, str]]:
    made = class_names(np.array(captions, object), classes=str(path), is_spaced=is_spaced)
    return list(zip(made["matched_classes"].tolist(), made["first_class"].tolist(), strict=True))


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("dog\nHot Dog\ncrane\ncrane\njack-o'-lantern\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A DOG", (1, "dog")),
        ("hot dog dog", (2, "Hot Dog")),
        ("dog, hot  dog", (2, "dog")),
        ("hotdog dogs", (0, "")),
        ("crane over crane", (1, "crane")),
        ("a jack-o'-lantern.", (1, "jack-o'-lantern")),
        ("", (0, "")),
    ],
)
def test_captions_on_paper(names: Path, caption: str, expected: tuple[int, str]):
    assert found(names, caption) == [expected]


def test_scripts_without_spaces(tmp_path: Path):
    path = tmp_path / "names.json"
    path.write_text(json.dumps(["犬", "猫"]), encoding="utf-8")
    assert found(path, "犬と猫の写真", is_spaced=False) == [(2, "犬")]
    assert found(path, "犬と猫の写真") == [(0, "")]


def test_the_thousand_classes_of_imagenet(tmp_path: Path):
    source = SHARED / "data" / "real_pool" / "text"
    if not source.is_dir():
        pytest.skip(f"no texts at {source}")
    names = json.loads((source / "imagenet_classnames" / "en_classnames.json").read_text(encoding="utf-8"))["imagenet1k"]
    path = tmp_path / "imagenet.json"
    path.write_text(json.dumps(names))
    captions = [
        text for text in pq.read_table(source / "laion_like_1000.parquet")["TEXT"].to_pylist() if text and text.isascii()
    ]
    captions = captions[:150] + [f"two {name} and the {name.upper()}" for name in names[::40]]
    patterns = {name.lower(): re.compile(rf"(?<!\w){re.escape(name.lower())}(?!\w)") for name in names}
    expected = []
    for caption in captions:
        plain = " ".join(caption.lower().split())
        hits = {name: hit.start() for name, pattern in patterns.items() if (hit := pattern.search(plain))}
        first = min(hits, key=lambda name: (hits[name], -len(name)), default="")
        expected.append((len(hits), first))
    assert [(count, first.lower()) for count, first in found(path, *captions)] == expected
    assert sum(count > 0 for count, _ in expected) > 30


def test_the_list_must_be_given():
    with pytest.raises(RecipeError, match=r"score class_names needs the setting `classes`: a file of class names"):
        class_names(np.array(["a"], object))
