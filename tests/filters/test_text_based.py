"""English captions that name a listed synset."""

import pytest

from curation_assets.filters.text_based import text_based
from tests.filters.shorthands import passes


@pytest.mark.parametrize(
    ("language", "words", "expected"),
    [("en", 1, True), ("en", 0, False), ("de", 3, False), (None, 3, False), ("en", None, False)],
)
def test_rows_that_are_kept(language: str | None, words: int | None, expected: bool):
    assert passes(text_based(), {"caption_language": language, "listed_synset_words": words}) == expected


def test_settings():
    row = {"caption_language": "en", "listed_synset_words": 1}
    assert not passes(text_based(min_words=2), row)
    assert text_based(synset_words="listed_synset_words_animals")[1] == {"listed_synset_words_animals": {"min": 1}}
