"""DataComp's threshold: what its code answers, and where it fails."""

import json
import math

import numpy as np
import pytest

from curation_assets.algorithms.datacomp_threshold import datacomp_threshold
from curation_assets.algorithms.order_statistics import fraction_cut
from curation_assets.errors import SchemaError
from tests.conftest import SHARED

FILE = SHARED / "vectors" / "datacomp" / "threshold_cases.json"
CASES = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else [None]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['case']}-{c['dtype']}-{c['fraction']}" if c else "absent")
def test_numbers_of_the_reference(case: dict[str, object] | None):
    if case is None:
        pytest.skip(f"no vectors at {FILE}")
    value = np.array([math.nan if score is None else score for score in case["scores"]], case["dtype"])
    if case["threshold"] is None:
        assert case["kept"] in ("IndexError", 0)
        wanted = "and only 8 have a score" if case["kept"] == 0 else "DataComp wants row 11 of them"
        with pytest.raises(SchemaError, match=wanted):
            datacomp_threshold(value, case["fraction"])
        return
    threshold = datacomp_threshold(value, case["fraction"])
    assert threshold == case["threshold"]
    assert np.flatnonzero(value >= value.dtype.type(threshold)).tolist() == case["kept_idx"]


@pytest.mark.parametrize("n", [1, 2, 9, 100])
@pytest.mark.parametrize("fraction", [0.0, 0.29, 0.5, 0.999])
def test_cuts_with_parity_are_the_same(n: int, fraction: float):
    value = np.random.default_rng(n).integers(0, 5, n).astype(np.float32) / 8
    cut = fraction_cut(value, np.arange(n), np.arange(n), fraction, is_parity=True)
    threshold = datacomp_threshold(value, fraction)
    assert (cut.value, cut.rows) == (threshold, int((value >= threshold).sum()))


def test_nothing_has_no_threshold():
    with pytest.raises(SchemaError, match=r"fraction 0\.0 of 0 rows has no threshold"):
        datacomp_threshold(np.zeros(0), 0.0)
