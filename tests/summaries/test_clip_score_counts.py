"""The distribution of CLIP scores: exact while it fits, and the same in any split."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.summaries.clip_score_counts import SUMMARY, clip_score_counts, merged_counts

values = st.lists(st.floats(-1, 1, width=32) | st.sampled_from([0.0, 0.25, -0.0, np.nan]), max_size=25)


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {c.name: np.concatenate([part[c.name] for part in parts]) for c in SUMMARY.columns}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(a[c.name], b[c.name]) for c in SUMMARY.columns)


@given(values)
@settings(deadline=None)
def test_each_score_is_counted(value: list[float]):
    found = clip_score_counts(np.float32(value))
    expected = sorted(Counter(v + 0.0 for v in value if v == v).items())
    assert list(zip(found["bucket_low"].tolist(), found["bucket_samples"].tolist(), strict=True)) == expected
    assert np.array_equal(found["bucket_low"], found["bucket_high"])
    assert [(name, pa.array(column).type) for name, column in found.items()] == [(c.name, c.type) for c in SUMMARY.columns]


@pytest.mark.parametrize("most", [2, 3, 7, 2**16])
@given(value=values, at=st.integers(0, 25), data=st.data())
@settings(deadline=None, max_examples=60)
def test_neither_split_nor_order_decide(most: int, value: list[float], at: int, data: st.DataObject):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curation_assets.summaries.clip_score_counts._MOST_BUCKETS", most)
        whole, order = clip_score_counts(np.float32(value)), data.draw(st.permutations(range(len(value))))
        shuffled = np.float32(value)[np.array(order, int)]
        parts = [clip_score_counts(part) for part in np.split(shuffled, sorted({min(at, len(value)), len(value) // 2}))]
        assert same(merged_counts(joined(parts)), whole)
        assert same(merged_counts(joined(parts[::-1])), whole)
        assert same(merged_counts(joined([parts[-1], merged_counts(joined(parts[:-1]))])), whole)
    assert len(whole["bucket_low"]) <= most
    assert whole["bucket_samples"].sum() == np.count_nonzero(~np.isnan(value))
