"""DataComp's basic filter, against its comparisons written out."""

import itertools
import json

import pytest

from curation_assets.filters.basic_filter import FILTER, basic_filter
from tests.conftest import SHARED
from tests.filters.shorthands import passes

GOOD = {"caption_language": "en", "caption_words": 3, "caption_chars": 6, "min_side_px": 200, "aspect_ratio": 3.0}


def test_every_combination_of_values_beside_the_bounds():
    values = itertools.product(("en", "de"), (2, 3), (5, 6), (199, 200), (3.0, 3.01))
    kept = 0
    for language, words, chars, side, ratio in values:
        row = dict(zip(GOOD, (language, words, chars, side, ratio), strict=True))
        # The reference: more than 2 words, more than 5 characters, at least 200 px, ratio at most 3.
        expected = language == "en" and words > 2 and chars > 5 and side >= 200 and ratio <= 3
        assert passes(basic_filter(), row) == expected
        kept += expected
    assert kept == 1


@pytest.mark.parametrize("missing", GOOD)
def test_a_row_that_was_not_measured_is_dropped(missing: str):
    assert passes(basic_filter(), GOOD)
    assert not passes(basic_filter(), {**GOOD, missing: None})


@pytest.mark.parametrize(
    ("settings", "column", "value"),
    [
        ({"min_words": 1}, "caption_words", 1),
        ({"min_chars": 2}, "caption_chars", 2),
        ({"min_side_px": 64}, "min_side_px", 64),
        ({"max_aspect_ratio": 4.0}, "aspect_ratio", 4.0),
    ],
)
def test_settings_move_the_bounds(settings: dict[str, float], column: str, value: float):
    row = {**GOOD, column: value}
    assert passes(FILTER.entries(**settings), row)
    assert not passes(FILTER.entries(), row)


def test_numbers_of_datacomp():
    """mlfoundations/datacomp at 4a8df199: its length rule on captions."""
    path = SHARED / "vectors" / "lid" / "caption_length_cases.json"
    if not path.is_file():
        pytest.skip(f"no test vectors at {path}")
    for case in json.loads(path.read_text(encoding="utf-8")):
        row = {**GOOD, "caption_words": case["n_split"], "caption_chars": case["n_chars"]}
        assert passes(basic_filter(), row) == case["basic_caption_len_ok"], case["text"]
