"""URLs under listed places, against every entry compared with every URL."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation_assets.errors import RecipeError
from curation_assets.scores.listed_url import listed_url

ENTRIES = (
    "example.org",
    "WWW.a.example.org",
    "https://b.org/x",
    "b.org/x/",
    "org.uk",
    "# c.org",
    "http://c.net/?id=1",
    "b.org/",
)


def written(folder: Path, *entries: str) -> str:
    path = folder / "places.txt"
    path.write_text("\n".join(entries), encoding="utf-8")
    return str(path)


def found(places: str, *urls: str) -> list[int]:
    return listed_url(np.array(urls, object), places=places).tolist()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.org/1.jpg", 1),
        ("https://www.example.org:443/1.jpg", 1),
        ("http://cdn.a.example.org/", 2),
        ("http://notexample.org/", 0),
        ("http://example.org.evil.net/", 0),
        ("http://b.org/x", 2),
        ("http://b.org/x/1", 3),
        ("http://b.org/xy", 2),
        ("http://b.org/X", 1),
        ("http://b.org", 1),
        ("http://cdn.b.org/x", 0),
        ("http://a.org.uk/", 1),
        ("http://c.org/", 0),
        ("http://c.net/?id=12", 1),
        ("http://c.net/?id=2", 0),
        ("example.org", 0),
        ("", 0),
    ],
)
def test_urls_on_paper(tmp_path: Path, url: str, expected: int):
    assert found(written(tmp_path, *ENTRIES), url) == [expected]


_NAMES = st.lists(st.sampled_from(["a", "b", "org"]), min_size=1, max_size=3).map(".".join)
_PATHS = st.sampled_from(["", "/", "/x", "/x/y", "/xy"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.tuples(_NAMES, _PATHS), min_size=1, max_size=6), st.tuples(_NAMES, _PATHS))
def test_against_every_entry(tmp_path: Path, entries: set[tuple[str, str]], url: tuple[str, str]):
    expected = 0
    for name, path in entries:
        if path:
            expected += name == url[0] and (url[1] or "/").startswith(path)
        else:
            expected += f".{url[0]}".endswith(f".{name}")
    assert found(written(tmp_path, *map("".join, entries)), f"http://{''.join(url)}") == [expected]


def test_an_entry_that_is_there_twice_counts_once(tmp_path: Path):
    places = written(tmp_path, "a.org", "www.A.org", "http://a.org/x", "a.org/x")
    assert found(places, "http://a.org/x") == [2]


def test_settings_that_are_missing_or_wrong(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"score listed_url needs the setting `places`: a file of domains"):
        listed_url(np.array(["a"], object))
    with pytest.raises(RecipeError, match=r"places.txt: entries without a host: \['/a/b', 'http://'\]"):
        found(written(tmp_path, "a.org", "/a/b", "http://"), "http://a.org")
