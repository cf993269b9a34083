"""English by CLD3 alone, or with a probability that it must have."""

import numpy as np
import pytest

from curation_assets.filters.english_caption_cld3 import english_caption_cld3
from curation_assets.scores.caption_language_cld3 import caption_language_cld3
from curation_assets.spec import Condition
from tests.filters.shorthands import passes


def test_by_default_no_probability_is_asked_for():
    # mlfoundations/datacomp at 4a8df199 compares the language only.
    assert english_caption_cld3() == (Condition("caption_language_cld3", "==", "en"),)


@pytest.mark.parametrize(
    ("caption", "expected"), [("a photograph of the old harbour at night", True), ("hello world", False), ("", False)]
)
def test_captions_that_are_kept(caption: str, expected: bool):
    row = {name: values[0] for name, values in caption_language_cld3(np.array([caption], object)).items()}
    assert passes(["english_caption_cld3"], row) == expected


@pytest.mark.parametrize(("probability", "expected"), [(0.7, True), (0.69, False), (None, False)])
def test_a_probability_can_be_asked_for(probability: float | None, expected: bool):
    row = {"caption_language_cld3": "en", "caption_language_cld3_probability": probability}
    assert passes([{"english_caption_cld3": {"min_probability": 0.7}}], row) == expected
