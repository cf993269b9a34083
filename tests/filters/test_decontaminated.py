"""Pictures near a target set are dropped; which set is a setting."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.filters.decontaminated import FILTER, decontaminated
from curation_assets.keep import Leaf
from curation_assets.scores.target_similarity import target_similarity
from curation_assets.spec import Condition


def test_the_column_is_that_of_the_target():
    assert decontaminated(target="exam", max_similarity=0.8) == (Condition("target_similarity_exam", "<=", 0.8),)
    assert decontaminated()[0].column == "target_similarity"


def test_copies_are_dropped_and_the_threshold_itself_passes():
    images, exam = np.float32([[1, 0], [0.6, 0.8], [0, 1]]), np.float32([[1, 0]])
    column = pa.array(target_similarity(images, exam)["target_similarity"])
    keep = Leaf("decontaminated", {}, FILTER.version, decontaminated(target="exam", max_similarity=0.6))
    kept = decide(keep, Rows({"target_similarity_exam": column}, np.arange(3), np.arange(3))).is_kept
    assert kept.tolist() == [False, True, True]
