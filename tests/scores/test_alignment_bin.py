"""Levels of the CLIP score: as many samples in each as ties allow, and edges that stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import SchemaError
from curation_assets.scores.alignment_bin import alignment_bin
from curation_assets.summaries.clip_score_counts import clip_score_counts, merged_counts

values = st.lists(st.sampled_from([-0.5, 0.0, 0.1, 0.25, 0.3]) | st.floats(-1, 1, width=32), min_size=1, max_size=40)


@given(values, st.integers(1, 12))
@settings(deadline=None)
def test_a_level_is_how_many_shares_of_the_pool_lie_below(value: list[float], bins: int):
    value = np.float32(value)
    ordered, n = sorted(value.tolist()), len(value)
    # The edge below level j is the smallest score with j / bins of the samples at or below it.
    edges = [next(v for v in ordered if sum(w <= v for w in ordered) * bins >= j * n) for j in range(1, bins)]
    expected = [sum(edge < v for edge in edges) for v in value.tolist()]
    assert alignment_bin(value, clip_score_counts(value), bins=bins).tolist() == expected


@pytest.mark.parametrize(("n", "bins"), [(100, 10), (1000, 7), (5, 5)])
def test_different_scores_fill_the_levels_evenly(n: int, bins: int):
    value = np.random.default_rng(n).permutation(n).astype(np.float32) / n
    filled = np.bincount(alignment_bin(value, clip_score_counts(value), bins=bins), minlength=bins)
    assert len(filled) == bins
    assert filled.max() - filled.min() <= 1


def test_more_different_scores_than_buckets_fill_them_nearly():
    value = np.random.default_rng(0).normal(0.28, 0.05, 200_000).astype(np.float32)
    parts = [clip_score_counts(part) for part in np.array_split(value, 3)]
    counts = merged_counts({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    assert len(counts["bucket_low"]) < len(np.unique(value))
    filled = np.bincount(alignment_bin(value, counts, bins=10))
    assert abs(filled - 20_000).max() < 100


def test_written_edges_stay_where_they_are():
    value = np.float32([0.19, 0.2, 0.21, 0.3, 0.31])
    assert alignment_bin(value, clip_score_counts(value), edges="0.2, 0.3").tolist() == [0, 0, 1, 1, 2]
    assert alignment_bin(value[:1], clip_score_counts(value[:1]), edges="0.2,0.3", bins=3).tolist() == [0]


@pytest.mark.parametrize("edges", ["0.2, x", "0.3, 0.2", "0.2, 0.2", "nan", "0.1,,0.2", "0.1, inf"])
def test_edges_that_make_no_levels_are_refused(edges: str):
    with pytest.raises(SchemaError, match=r"alignment_bin needs .*edges.*; found"):
        alignment_bin(np.float32([0.1]), {}, edges=edges)
