"""Similarity to a preferred sample of the pool against loops, and the same bits after rows were added."""

import numpy as np
import pytest

from curation_assets.errors import SchemaError
from curation_assets.scores.neighbour_similarity import neighbour_similarity, update_neighbour_similarity

Rows = tuple[np.ndarray, ...]


def drawn(n: int, d: int, seed: int) -> Rows:
    """Unit rows of float16, half of them copies."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, d))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    vectors[n // 2 :] = vectors[rng.integers(0, max(1, n // 2), n - n // 2)]
    return vectors, rng.integers(0, 4, n).astype(float), rng.integers(-3, 3, n), rng.permutation(n)


def oracle(rows: Rows) -> list[tuple[float, int, int]]:
    vectors, preference, uid_hi, uid_lo = rows
    order = [(-preference[i], int(uid_hi[i]) % 2**64, int(uid_lo[i])) for i in range(len(vectors))]
    found = []
    for i, vector in enumerate(vectors.tolist()):
        best, twin = 0.0, i
        for j in sorted(range(len(vectors)), key=order.__getitem__):
            # Products of float16 numbers add up without any rounding in float64.
            exact = sum(a * b for a, b in zip(vector, vectors[j].tolist(), strict=True))
            if order[j] < order[i] and (similarity := float(np.float32(min(exact, 1.0)))) > best:
                best, twin = similarity, j
        found.append((best, int(uid_hi[twin]), int(uid_lo[twin])))
    return found


def triples(found: dict[str, np.ndarray]) -> list[tuple[float, int, int]]:
    names = ("neighbour_similarity", "neighbour_twin_hi", "neighbour_twin_lo")
    return list(zip(*(found[name].tolist() for name in names), strict=True))


@pytest.mark.parametrize(("n", "d"), [(1, 3), (2, 2), (50, 3), (60, 16)])
def test_against_loops(n: int, d: int):
    rows = drawn(n, d, n)
    assert triples(neighbour_similarity(*rows)) == oracle(rows)
    assert triples(neighbour_similarity(*rows)) == oracle(rows)


@pytest.mark.parametrize("seed", range(9))
def test_added_rows_give_what_all_rows_give(seed: int):
    rows = drawn(90, (2, 16)[seed % 2], seed)
    is_new = np.random.default_rng(seed).random(90) < (0.05, 0.3, 0.9)[seed % 3]
    before = neighbour_similarity(*(part[~is_new] for part in rows))
    former = {name: np.full(90, -1, values.dtype) for name, values in before.items()}
    for name, values in before.items():
        former[name][~is_new] = values
    updated = update_neighbour_similarity(*rows, former, is_new)
    assert triples(updated) == triples(neighbour_similarity(*rows))


def test_vectors_that_are_not_unit_are_refused():
    uid = np.zeros(1, np.int64)
    with pytest.raises(SchemaError, match="neighbour_similarity: image_embedding must have unit rows"):
        neighbour_similarity(np.float32([[3, 4]]), np.zeros(1), uid, uid)
