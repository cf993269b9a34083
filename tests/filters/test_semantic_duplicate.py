"""Which similarities stay: at most 1 - eps, in the precision of the column, in the instance that the preference names."""

import numpy as np
import pytest

from curation_assets.algorithms.decisions import stored_threshold
from curation_assets.filters.semantic_duplicate import semantic_duplicate
from curation_assets.spec import Condition


def test_conditions():
    assert semantic_duplicate(eps=0.25) == (Condition("semdedup_similarity", "<=", 0.75),)
    assert semantic_duplicate(eps=0.25, prefer="low_clip_score")[0].column == "semdedup_similarity_low_clip_score"


@pytest.mark.parametrize("eps", [0.0, 1e-4, 0.01, 0.05, 0.1, 0.3, 1.0])
def test_the_bound_itself_stays_and_the_next_number_goes(eps: float):
    threshold = stored_threshold(semantic_duplicate(eps=eps)[0], np.dtype(np.float32))
    assert abs(threshold - (1 - eps)) <= 2**-25
    assert float(np.float32(1 - eps)) <= threshold < float(np.nextafter(np.float32(1 - eps), np.float32(2)))


def test_nothing_is_closer_than_no_distance():
    assert stored_threshold(semantic_duplicate(eps=0.0)[0], np.dtype(np.float32)) == 1.0
