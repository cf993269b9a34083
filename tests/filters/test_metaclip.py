"""The filter keeps exactly the rows whose draw is at most their probability."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.filters.metaclip import FILTER, metaclip
from curation_assets.keep import Leaf
from curation_assets.spec import Condition


def test_the_column_is_that_of_the_instance():
    assert metaclip() == (Condition("metaclip_margin", ">=", 0.0),)
    assert metaclip(instance="small")[0].column == "metaclip_margin_small"


def test_strictness_is_exact():
    # Neighbouring doubles: the margin is 0 or of the size of one bit, and never rounds to the other side.
    probability = np.array([0.3, 0.3, 0.3, 0.0, 1.0, 2.0**-53])
    draw = np.array([0.3, np.nextafter(0.3, 1), np.nextafter(0.3, 0), 2.0**-53, 1.0, 2.0**-53])
    rows = Rows({"metaclip_margin": pa.array(probability - draw)}, np.arange(6), np.arange(6))
    kept = decide(Leaf("metaclip", {}, FILTER.version, metaclip()), rows).is_kept
    assert kept.tolist() == (draw <= probability).tolist() == [True, False, True, False, True, True]
