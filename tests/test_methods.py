import json

import pytest
from typer.testing import CliRunner

from curation_assets.cli import app
from curation_assets.errors import ArgumentError
from curation_assets.filters import all_filters
from curation_assets.methods import all_methods, matching
from curation_assets.scores import all_scores

METHODS = all_methods()


def test_every_file_is_listed_once_with_a_line_and_a_source():
    named = [(m.kind, m.name) for m in METHODS if m.kind != "threshold"]
    files = [*(("score", name) for name in all_scores()), *(("filter", name) for name in all_filters())]
    assert sorted(named) == sorted(files)
    assert all(m.summary.endswith(".") and m.source for m in METHODS)


def test_every_numeric_column_is_a_filter():
    numbers = {c.name for score in all_scores().values() for c in score.columns if c.is_number}
    assert numbers - {m.name for m in METHODS if m.kind == "threshold"} <= set(all_filters())


def test_settings_have_their_bounds_and_meaning():
    (settings,) = [m.settings for m in METHODS if (m.kind, m.name) == ("filter", "image_size")]
    assert [(s.name, s.default, s.allowed) for s in settings] == [
        ("min_side_px", 200, "int, >= 1"),
        ("max_aspect_ratio", 3.0, "float, >= 1"),
    ]
    assert all(setting.meaning for m in METHODS for setting in m.settings)


def test_words_choose_and_an_unknown_word_lists_what_is_known():
    assert {m.name for m in matching(METHODS, ["SEMDEDUP"])} >= {"semdedup_similarity"}
    with pytest.raises(ArgumentError, match=r"no score or filter with xyzzy; known: .*caption_length"):
        matching(METHODS, ["xyzzy"])


def test_the_command_prints_what_is_listed():
    shown = CliRunner().invoke(app, ["filters"]).output
    assert all(m.name in shown for m in METHODS if m.kind != "threshold")
    listed = json.loads(CliRunner().invoke(app, ["filters", "--json"]).output)
    assert [m["name"] for m in listed] == [m.name for m in METHODS]
