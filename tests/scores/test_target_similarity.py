"""The most similar target picture, against loops."""

import numpy as np
import pytest

from curation_assets.errors import SchemaError
from curation_assets.scores.target_similarity import SCORE, target_similarity


def unit_rows(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)


@pytest.mark.parametrize(("n", "k", "d"), [(1, 1, 3), (5, 9, 2), (40, 20, 16)])
def test_against_loops(n: int, k: int, d: int):
    images, targets = unit_rows(n, d, 1), unit_rows(k, d, 2)
    found = target_similarity(images, targets)
    for i, image in enumerate(images.tolist()):
        cosines = [sum(a * b for a, b in zip(image, target, strict=True)) for target in targets.tolist()]
        assert found["target_similarity"][i] == pytest.approx(min(1, max(cosines)), abs=1e-7)
        assert found["nearest_target"][i] == cosines.index(max(cosines))


def test_of_equal_targets_the_first_is_named_and_rounding_stays_within_the_bounds():
    rows = unit_rows(30, 64, 3)
    found = target_similarity(rows, np.concatenate([rows, rows]))
    assert found["nearest_target"].tolist() == list(range(30))
    assert found["target_similarity"].max() <= 1
    assert {name: values.dtype for name, values in found.items()} == {c.name: c.type.to_pandas_dtype() for c in SCORE.columns}


def test_more_targets_never_lower_it():
    rows, targets = unit_rows(50, 8, 4), unit_rows(20, 8, 5)
    few, many = (target_similarity(rows, targets[:k])["target_similarity"] for k in (7, 20))
    assert (few <= many).all()
    assert (few < many).any()


def test_faults_are_named():
    rows = unit_rows(2, 4, 0)
    with pytest.raises(SchemaError, match="target_similarity: target_embedding must have unit rows"):
        target_similarity(rows, rows * 2)
    with pytest.raises(SchemaError, match="compared with 0 vectors"):
        target_similarity(rows, rows[:0])
