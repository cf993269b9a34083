"""Block lists by language, and the hits recorded for a real pool."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation_assets.errors import RecipeError
from curation_assets.scores.blocked_words import blocked_words
from tests.conftest import SHARED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lists = {
        "en": "bad\nvery bad\n",
        "de.txt": "böse\n",
        "ja": "悪い\nsm\n",
        "README.md": "bad\n",
        "LICENSE": "good\n",
        ".x": "y",
    }
    for name, content in lists.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def found(folder: Path, *rows: tuple[str, str], language: str = "") -> list[tuple[int, int]]:
    captions, languages = (np.array(column, object) for column in zip(*rows, strict=True))
    made = blocked_words(captions, languages, words=str(folder), language=language)
    return list(zip(made["blocked_words"].tolist(), made["blocked_word_lists"].tolist(), strict=True))


@pytest.mark.parametrize(
    ("caption", "language", "expected"),
    [
        ("a BAD dog", "en", (1, 1)),
        ("very bad, bad", "en", (2, 1)),
        ("badly baden", "en", (0, 1)),
        ("bad", "de", (0, 1)),  # no German word
        ("BÖSE", "de", (1, 1)),
        ("これは悪いです", "ja", (1, 1)),
        ("smクラブ", "ja", (1, 1)),
        ("small", "ja", (0, 1)),
        ("bad", "fr", (0, 0)),
        ("good", "LICENSE", (0, 0)),
        ("", "en", (0, 1)),
    ],
)
def test_the_captions_own_language(folder: Path, caption: str, language: str, expected: tuple[int, int]):
    assert found(folder, (caption, language)) == [expected]


def test_lists_for_every_caption(folder: Path):
    rows = (("bad böse", "fr"), ("これは悪いです", "en"))
    assert found(folder, *rows, language="en") == [(1, 1), (0, 1)]
    assert found(folder, *rows, language="en, de,ja") == [(2, 3), (1, 3)]


def test_settings_that_are_missing_or_wrong(folder: Path, tmp_path: Path):
    with pytest.raises(RecipeError, match=r"score blocked_words needs the setting `words`: a folder with a list"):
        blocked_words(np.array(["a"], object), np.array(["en"], object))
    with pytest.raises(RecipeError, match=r"no list of \['fr'\] in .*; lists found: de, en, ja"):
        found(folder, ("a", "en"), language="en,fr")
    with pytest.raises(RecipeError, match=r"en is no folder; expected one list per language"):
        found(folder / "en", ("a", "en"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match=r"holds no lists"):
        found(tmp_path / "empty", ("a", "en"))


def test_hits_of_a_real_pool():
    """The English list on captions in 16 languages; every recorded hit is one, and there are no others."""
    pool = SHARED / "data" / "real_pool"
    if not pool.is_dir():
        pytest.skip(f"no pool at {pool}")
    rows = pq.read_table(pool / "ground_truth.parquet", columns=["caption", "ldnoobw_hits"]).drop_null().to_pylist()
    captions = np.array([row["caption"] for row in rows], object)
    languages = np.full(len(rows), "", object)
    made = blocked_words(captions, languages, words=str(pool / "text" / "ldnoobw"), language="en")
    assert made["blocked_words"].tolist() == [len(set(row["ldnoobw_hits"])) for row in rows]
    assert (made["blocked_words"] > 0).sum() == 10
