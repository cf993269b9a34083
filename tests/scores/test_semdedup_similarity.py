"""Similarity to a preferred sample of the same cluster, against the formula written as loops, and published numbers."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import SchemaError
from curation_assets.filters.semantic_duplicate import semantic_duplicate
from curation_assets.scores.semdedup_similarity import semdedup_similarity, update_semdedup_similarity
from tests.conftest import SHARED

FOLDER = SHARED / "vectors" / "semdedup"
Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Found = dict[str, np.ndarray]


def unit_rows(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)


def drawn(n: int, d: int, seed: int) -> Rows:
    """Rows with exact copies, near copies, opposites and equal preferences."""
    rng = np.random.default_rng(seed)
    vectors, kind, of = unit_rows(n, d, seed), rng.integers(0, 5, n), rng.integers(0, n, n)
    vectors[kind == 0] = vectors[of[kind == 0]]
    vectors[kind == 1] = np.nextafter(vectors[of[kind == 1]].astype(np.float16), np.float16(2)).astype(np.float32)
    vectors[kind == 2] = -vectors[of[kind == 2]]
    return vectors, rng.integers(0, 4, n) / 4, rng.integers(-3, 3, n), rng.permutation(n)


def oracle(rows: Rows) -> list[tuple[float, tuple[int, int]]]:
    """For each row the largest similarity to one that comes before it by (preference, unsigned uid), in exact fractions."""
    vectors, preference, *halves = rows
    uid = list(zip(*(half.tolist() for half in halves), strict=True))
    rank = [(-float(p), hi % 2**64, lo % 2**64) for p, (hi, lo) in zip(preference, uid, strict=True)]
    exact = [[Fraction(float(value)) for value in vector] for vector in vectors]
    found = []
    for j in range(len(uid)):
        best, twin = np.float32(0), uid[j]
        for i in sorted(range(len(uid)), key=rank.__getitem__):
            if rank[i] < rank[j]:
                product = sum(a * b for a, b in zip(exact[i], exact[j], strict=True))
                similarity = np.float32(float(min(product, 1)))
                if similarity > best:
                    best, twin = similarity, uid[i]
        found.append((float(best), twin))
    return found


def listed(found: Found) -> list[tuple[float, tuple[int, int]]]:
    twins = zip(found["semdedup_twin_hi"].tolist(), found["semdedup_twin_lo"].tolist(), strict=True)
    return list(zip(found["semdedup_similarity"].tolist(), twins, strict=True))


@pytest.mark.parametrize(("n", "d"), [(1, 3), (2, 2), (40, 3), (61, 16), (45, 1)])
def test_against_loops_exactly(n: int, d: int):
    rows = drawn(n, d, n)
    assert listed(semdedup_similarity(*rows)) == oracle(rows)


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_neither_order_nor_tiles_decide(n: int, d: int, seed: int):
    rows, order = drawn(n, d, seed), np.random.default_rng(seed).permutation(n)
    whole = semdedup_similarity(*rows)
    with pytest.MonkeyPatch.context() as patch:
        for size in ("_BLOCK_ROWS", "_BLOCK_OTHERS", "_MOST_PAIRS", "_DENSE_ROWS"):
            patch.setattr(f"curation_assets.algorithms.preferred_neighbour.{size}", 1 + seed % 5)
        shuffled = semdedup_similarity(*(column[order] for column in rows))
    for name, values in whole.items():
        assert np.array_equal(values[order], shuffled[name])


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 10**6), st.floats(0, 1))
@settings(deadline=None, max_examples=80)
def test_update_is_compute_bit_for_bit(n: int, d: int, seed: int, share: float):
    rows, is_new = drawn(n, d, seed), np.random.default_rng(seed + 1).random(n) < share
    old, former = np.flatnonzero(~is_new), {}
    before = semdedup_similarity(*(column[old] for column in rows)) if len(old) else semdedup_similarity(*drawn(1, 1, 0))
    for name, values in before.items():
        former[name] = np.full(n, -1, values.dtype)
        former[name][old] = values[: len(old)]
    found = update_semdedup_similarity(*rows, former, is_new)
    for name, values in semdedup_similarity(*rows).items():
        assert values.dtype == found[name].dtype
        assert np.array_equal(values, found[name])


def test_float32_vectors_do_not_depend_on_their_tiles(monkeypatch: pytest.MonkeyPatch):
    # Not rounded to float16: sums of 600 products differ between blockings unless they are exact.
    rng = np.random.default_rng(3)
    centre = rng.normal(size=600)
    vectors = centre + 0.05 * rng.normal(size=(300, 600))
    rows = np.float32(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)), np.zeros(300), np.arange(300), np.arange(300)
    whole = semdedup_similarity(*rows)
    monkeypatch.setattr("curation_assets.algorithms.preferred_neighbour._BLOCK_ROWS", 7)
    monkeypatch.setattr("curation_assets.algorithms.preferred_neighbour._BLOCK_OTHERS", 13)
    tiled = semdedup_similarity(*(column[::-1] for column in rows))
    for name, values in tiled.items():
        assert np.array_equal(values[::-1], whole[name])
    products = np.tril(rows[0].astype(np.float64) @ rows[0].T.astype(np.float64), -1)
    np.testing.assert_allclose(whole["semdedup_similarity"], products.max(axis=1), atol=1e-7)


def test_an_update_compares_only_pairs_with_a_new_row(monkeypatch: pytest.MonkeyPatch):
    rows, is_new, seen = drawn(40, 4, 0), np.arange(40) >= 36, []

    def recorded(vectors: np.ndarray, order: np.ndarray, rows: np.ndarray, others: np.ndarray, known: object) -> None:
        seen.append(len(rows) * len(others))

    monkeypatch.setattr("curation_assets.algorithms.preferred_neighbour.compare", recorded)
    former = {"semdedup_similarity": np.zeros(40, np.float32), "semdedup_twin_hi": rows[2], "semdedup_twin_lo": rows[3]}
    update_semdedup_similarity(*rows, former, is_new)
    assert seen == [4 * 40, 36 * 4]


def test_a_copy_finds_its_original_and_the_most_preferred_finds_none():
    vectors = np.float32([[1, 0], [1, 0], [-1, 0]])
    found = semdedup_similarity(vectors, np.array([-0.5, -0.5, -0.1]), np.array([8, 4, 1]), np.zeros(3, np.int64))
    assert found["semdedup_similarity"].tolist() == [1, 0, 0]
    assert found["semdedup_twin_hi"].tolist() == [4, 4, 1]


def test_a_thousand_copies_name_the_most_preferred():
    vectors = np.repeat(unit_rows(1, 33, 0), 1000, axis=0)
    found = semdedup_similarity(vectors, np.arange(1000.0), np.arange(1000), np.zeros(1000, np.int64))
    square = np.float32(min(1, float((vectors[0].astype(np.float64) ** 2).sum())))
    assert found["semdedup_similarity"].tolist() == [square] * 999 + [0]
    assert found["semdedup_twin_hi"].tolist() == [999] * 1000


def test_vectors_that_are_not_unit_are_refused():
    row = np.float32([[3, 4]]), np.zeros(1), np.zeros(1, np.int64), np.zeros(1, np.int64)
    with pytest.raises(SchemaError, match="semdedup_similarity: image_embedding must have unit rows"):
        semdedup_similarity(*row)
    with pytest.raises(SchemaError, match="semdedup_similarity: image_embedding must have unit rows"):
        update_semdedup_similarity(*row, {}, np.array([True]))


def test_a_former_twin_that_is_gone_is_refused():
    vectors, zero = np.float32([[1, 0]]), np.zeros(1, np.int64)
    former = {"semdedup_similarity": np.float32([0.5]), "semdedup_twin_hi": zero + 9, "semdedup_twin_lo": zero}
    with pytest.raises(SchemaError, match="semdedup_similarity: a former twin has the uid 0000000000000009"):
        update_semdedup_similarity(vectors, np.zeros(1), zero, zero, former, np.array([False]))


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared numbers are not on this machine")
@pytest.mark.parametrize("number", [0, 1])
def test_numbers_of_the_reference(number: int):
    """The authors' formula evaluated on 61 rows, per cluster: hard is far from the centroid, easy the list reversed.

    Reversing also reverses equal distances, where the score prefers the smaller uid in both: so easy is given falling uids.
    """
    expected = json.loads((FOLDER / "expected.json").read_text())
    vectors, assign, run = np.load(FOLDER / "embeddings.npy"), np.array(expected["assign"]), expected["runs"][number]
    assert run["which_to_keep"] == ["hard", "easy"][number]
    distance = np.array(expected["cosine_dist_to_centroid"]) * (1, -1)[number]
    similarity = np.zeros(len(vectors), np.float32)
    for cluster in np.unique(assign):
        rows = np.flatnonzero(assign == cluster)
        uid = rows if number == 0 else 100 - rows
        found = semdedup_similarity(vectors[rows], distance[rows], uid, np.zeros(len(rows), np.int64))
        similarity[rows] = found["semdedup_similarity"]
    np.testing.assert_allclose(similarity, run["max_sim_to_earlier"], atol=1e-6)
    for eps, kept in run["kept_ids_by_eps"].items():
        (condition,) = semantic_duplicate(eps=float(eps))
        assert np.flatnonzero(similarity <= np.float32(condition.threshold)).tolist() == sorted(kept)
        assert len(kept) == run["kept_count"][eps]


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared numbers are not on this machine")
def test_numbers_of_nemo_curator():
    """NVIDIA-NeMo/Curator at 1e2e4275, tests/stages/deduplication/semantic/test_pairwise.py: rows in order of preference."""
    (case,) = json.loads((FOLDER / "expected.json").read_text())["unit_cases"]
    raw = np.array(case["raw"], float)
    vectors, uid = np.float32(raw / np.linalg.norm(raw, axis=1, keepdims=True)), np.arange(len(raw))
    found = semdedup_similarity(vectors, -uid.astype(float), uid, uid)
    np.testing.assert_allclose(found["semdedup_similarity"], case["expected_max_sim_earlier"], atol=1e-6)
    assert found["semdedup_twin_lo"].tolist() == case["expected_argmax"]
