"""Captions per metadata entry: counted once each, and in any split."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.summaries.metaclip_counts import SUMMARY, merged_counts, metaclip_counts
from tests.conftest import SHARED

rows_of_matches = st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=12)


def listed(counts: dict[str, np.ndarray]) -> list[tuple[int, int]]:
    return list(zip(counts["metaclip_entry"].tolist(), counts["metaclip_count"].tolist(), strict=True))


@given(rows_of_matches, st.lists(st.integers(0, 12), max_size=3), st.data())
@settings(deadline=None)
def test_counts_in_any_split_and_order(matches: list[list[int]], cuts: list[int], data: st.DataObject):
    expected = sorted(Counter(entry for row in matches for entry in set(row)).items())
    assert listed(metaclip_counts(matches)) == expected
    edges = [0, *sorted(min(cut, len(matches)) for cut in cuts), len(matches)]
    parts = data.draw(st.permutations([metaclip_counts(matches[a:b]) for a, b in pairwise(edges)]))
    together = {c.name: np.concatenate([part[c.name] for part in parts]) for c in SUMMARY.columns}
    assert listed(merged_counts(together)) == expected
    some = {c.name: np.concatenate([part[c.name] for part in parts[1:] or parts[:1]]) for c in SUMMARY.columns}
    step = {name: np.concatenate([values, parts[0][name]]) for name, values in merged_counts(some).items()}
    assert len(parts) == 1 or listed(merged_counts(step)) == expected


def test_columns_have_the_declared_type():
    for counts in (metaclip_counts([[1, 2]]), metaclip_counts([]), merged_counts(metaclip_counts([[]]))):
        assert [(name, pa.array(values).type) for name, values in counts.items()] == [(c.name, c.type) for c in SUMMARY.columns]


def test_counts_of_the_reference():
    path = SHARED / "vectors" / "metaclip" / "expected.json"
    if not path.is_file():
        pytest.skip(f"no vectors at {path}")
    expected = json.loads(path.read_text(encoding="utf-8"))
    found = dict(listed(metaclip_counts([text["matched"] for text in expected["matches"]])))
    assert [found.get(entry, 0) for entry in range(20)] == expected["entry_counts"]
