"""English by the top label alone, or with a probability that it must have."""

import pyarrow as pa
import pytest

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.filters.english_caption import FILTER, english_caption
from curation_assets.keep import Leaf
from curation_assets.scores.caption_language import SCORE
from curation_assets.spec import Condition


def test_by_default_no_probability_is_asked_for():
    # mlfoundations/datacomp at 4a8df199 compares the top label only.
    assert english_caption() == (Condition("caption_language", "==", "en"),)
    assert english_caption(min_probability=0.0) == english_caption()


@pytest.mark.parametrize(
    ("min_probability", "kept"), [(0.0, [True, True, False, False, False]), (0.5, [True, False, False, False, False])]
)
def test_rows_that_are_kept(min_probability: float, kept: list[bool]):
    columns = {
        "caption_language": pa.array(["en", "en", "de", "und", None]),
        "caption_language_probability": pa.array([0.5, 0.49, 0.99, 0.0, None], pa.float32()),
    }
    assert set(columns) == {column.name for column in SCORE.columns}
    uid = pa.array(range(5), pa.int64()).to_numpy()
    keep = Leaf("english_caption", {}, FILTER.version, english_caption(min_probability=min_probability))
    decisions = decide(keep, Rows(columns, uid, uid))
    assert decisions.is_kept.tolist() == kept
    assert decisions.value[2:].tolist() == ["de", "und", None]
    assert decisions.threshold[2:].tolist() == ["en"] * 3
