"""LAION's smallest caption and image file; both bounds pass."""

import pytest

from curation_assets.filters.laion_text_size import laion_text_size
from tests.filters.shorthands import passes


@pytest.mark.parametrize(
    ("chars", "size", "expected"), [(5, 5000, True), (4, 5000, False), (5, 4999, False), (None, 5000, False)]
)
def test_rows_that_are_kept(chars: int | None, size: int, expected: bool):
    assert passes(laion_text_size(), {"caption_chars": chars, "image_file_bytes": size}) == expected


def test_settings_move_the_bounds():
    row = {"caption_chars": 1, "image_file_bytes": 1}
    assert passes(laion_text_size(min_chars=1, min_bytes=1), row)
    assert not passes(laion_text_size(min_chars=1), row)
    assert not passes(laion_text_size(min_bytes=1), row)
