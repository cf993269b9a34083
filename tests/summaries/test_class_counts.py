"""Captions per class, in any split of the rows."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation_assets.errors import RecipeError
from curation_assets.summaries.class_counts import SUMMARY, class_counts, merged_counts

NAMES = ("dog", "hot dog", "cat", "unicorn", "DOG")


@pytest.fixture
def classes(tmp_path: Path) -> str:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(NAMES))
    return str(path)


def listed(counts: dict[str, np.ndarray]) -> list[tuple[int, int]]:
    return list(zip(counts["named_class"].tolist(), counts["named_class_captions"].tolist(), strict=True))


captions = st.lists(st.lists(st.sampled_from(["dog", "hot", "Cat", "a", "dogs"]), max_size=5).map(" ".join), max_size=10)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(captions, st.lists(st.integers(0, 10), max_size=3), st.data())
def test_counts_in_any_split_and_order(classes: str, texts: list[str], cuts: list[int], data: st.DataObject):
    found: Counter[int] = Counter()
    for text in texts:
        padded = f" {text.lower()} "
        found.update(position for position, name in enumerate(NAMES[:4]) if f" {name} " in padded)
    expected = sorted(found.items())
    rows = np.array(texts, object)
    assert listed(class_counts(rows, classes=classes)) == expected
    edges = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    parts = data.draw(st.permutations([class_counts(rows[a:b], classes=classes) for a, b in pairwise(edges)]))
    together = {c.name: np.concatenate([part[c.name] for part in parts]) for c in SUMMARY.columns}
    assert listed(merged_counts(together, classes=classes)) == expected
    assert listed(merged_counts(merged_counts(together))) == expected


def test_columns_have_the_declared_type(classes: str):
    empty = class_counts(np.array([], object), classes=classes)
    for counts in (class_counts(np.array(["dog"], object), classes=classes), empty, merged_counts(empty)):
        assert [(name, pa.array(values).type) for name, values in counts.items()] == [(c.name, c.type) for c in SUMMARY.columns]


def test_the_list_must_be_given():
    with pytest.raises(RecipeError, match=r"needs the setting `classes`: a file of class names"):
        class_counts(np.array(["a"], object))
