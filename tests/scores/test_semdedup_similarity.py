"""Similarity to a preferred sample of the same cluster, against the formula written as loops, and published numbers."""

import json

import numpy as np
import pytest

from curation_assets.errors import SchemaError
from curation_assets.scores.semdedup_similarity import semdedup_similarity
from tests.conftest import SHARED


def unit_rows(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def oracle(vectors: np.ndarray, near: np.ndarray, uid: list[tuple[int, int]]) -> list[tuple[float, tuple[int, int]]]:
    """For each row: the largest similarity to a row that comes before it by (similarity to the centroid, unsigned uid)."""
    rank = [(float(near[i]), uid[i][0] % 2**64, uid[i][1] % 2**64) for i in range(len(near))]
    found = []
    for j in range(len(near)):
        best, twin = 0.0, uid[j]
        for i in sorted(range(len(near)), key=rank.__getitem__):
            similarity = sum(float(a) * float(b) for a, b in zip(vectors[i], vectors[j], strict=True))
            if rank[i] < rank[j] and similarity > best:
                best, twin = similarity, uid[i]
        found.append((min(best, 1.0), twin))
    return found


@pytest.mark.parametrize(("n", "d"), [(1, 3), (2, 2), (40, 3), (61, 16)])
def test_against_loops(n: int, d: int):
    rng = np.random.default_rng(n)
    vectors, near = unit_rows(n, d, n), rng.integers(0, 4, n).astype(np.float32) / 4
    uid_hi, uid_lo = rng.integers(-3, 3, n), rng.permutation(n)
    found = semdedup_similarity(vectors, near, uid_hi, uid_lo)
    expected = oracle(vectors, near, list(zip(uid_hi.tolist(), uid_lo.tolist(), strict=True)))
    np.testing.assert_allclose(found["semdedup_similarity"], [s for s, _ in expected], atol=2e-6)
    twins = list(zip(found["semdedup_twin_hi"].tolist(), found["semdedup_twin_lo"].tolist(), strict=True))
    assert twins == [twin for _, twin in expected]


def test_the_block_size_does_not_decide(monkeypatch: pytest.MonkeyPatch):
    rows = unit_rows(300, 8, 5), np.zeros(300, np.float32), np.arange(300), np.zeros(300, np.int64)
    whole = semdedup_similarity(*rows)
    monkeypatch.setattr("curation_assets.scores.semdedup_similarity._BLOCK_ROWS", 7)
    for name, values in semdedup_similarity(*rows).items():
        np.testing.assert_allclose(values, whole[name], atol=1e-6)


def test_a_copy_finds_its_original_and_the_most_preferred_finds_none():
    vectors = np.float32([[1, 0], [1, 0], [-1, 0]])
    found = semdedup_similarity(vectors, np.float32([0.5, 0.5, 0.1]), np.array([8, 4, 1]), np.zeros(3, np.int64))
    assert found["semdedup_similarity"].tolist() == [1, 0, 0]
    assert found["semdedup_twin_hi"].tolist() == [4, 4, 1]


def test_vectors_that_are_not_unit_are_refused():
    with pytest.raises(SchemaError, match="semdedup_similarity: image_embedding must have unit rows"):
        semdedup_similarity(np.float32([[3, 4]]), np.zeros(1, np.float32), np.zeros(1, np.int64), np.zeros(1, np.int64))


def test_numbers_of_the_reference():
    """The authors' formula evaluated on 61 rows, per cluster, preference `hard`."""
    folder = SHARED / "vectors" / "semdedup"
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}")
    expected = json.loads((folder / "expected.json").read_text())
    vectors, assign = np.load(folder / "embeddings.npy"), np.array(expected["assign"])
    near = 1 - np.float32(expected["cosine_dist_to_centroid"])
    run = next(run for run in expected["runs"] if run["which_to_keep"] == "hard")
    similarity = np.zeros(len(vectors), np.float32)
    for cluster in np.unique(assign):
        rows = np.flatnonzero(assign == cluster)
        found = semdedup_similarity(vectors[rows], near[rows], rows, np.zeros(len(rows), np.int64))
        similarity[rows] = found["semdedup_similarity"]
    for eps, kept in run["kept_ids_by_eps"].items():
        assert np.flatnonzero(similarity <= 1 - float(eps)).tolist() == sorted(kept)
    np.testing.assert_allclose(similarity, run["max_sim_to_earlier"], atol=1e-5)
