"""Perceptual distance to a preferred picture against all pairs, and the same after rows were added."""

import numpy as np
import pytest

from curation_assets.errors import SchemaError
from curation_assets.scores.phash_distance import phash_distance, update_phash_distance

Rows = tuple[np.ndarray, ...]


def drawn(n: int, seed: int) -> Rows:
    """Hashes around a few centres with many equal ones, and few different preferences."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(-(2**63), 2**63 - 1, (4, 10))
    words = centres[rng.integers(0, 4, n)]
    for _ in range(4):
        changed = (rng.random(n) < 0.4)[:, None] & (rng.random(words.shape) < 0.5)
        words ^= np.where(changed, np.int64(1) << rng.integers(0, 63, words.shape), 0)
    detail = np.empty(n, object)
    detail[:] = [row.astype("<i8").tobytes() for row in words[:, 2:]]
    return words[:, 0], words[:, 1], detail, rng.integers(0, 4, n).astype(float), rng.integers(-3, 3, n), rng.permutation(n)


def bits(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "little") ^ int.from_bytes(other, "little")).bit_count()


def oracle(rows: Rows, max_radius: int) -> list[tuple[int, int, int]]:
    plain, mirrored, detail, preference, uid_hi, uid_lo = rows
    order = [(-preference[i], int(uid_hi[i]) % 2**64, int(uid_lo[i]) % 2**64) for i in range(len(plain))]

    def distance(i: int, j: int) -> int:
        def one(a: np.int64, b: np.int64, x: bytes, y: bytes) -> int:
            return max(bits(a.tobytes(), b.tobytes()), -(-bits(x, y) // 4))

        return min(
            one(plain[i], plain[j], detail[i][:32], detail[j][:32]),
            one(plain[i], mirrored[j], detail[i][:32], detail[j][32:]),
            one(mirrored[i], plain[j], detail[i][32:], detail[j][:32]),
        )

    found = []
    for i in range(len(plain)):
        near = [(distance(i, j), order[j], j) for j in range(len(plain)) if order[j] < order[i]]
        best = min([pair for pair in near if pair[0] <= max_radius], default=(max_radius + 1, (), i))
        found.append((best[0], int(uid_hi[best[2]]), int(uid_lo[best[2]])))
    return found


def triples(found: dict[str, np.ndarray]) -> list[tuple[int, int, int]]:
    return list(zip(*(found[name].tolist() for name in ("phash_distance", "phash_twin_hi", "phash_twin_lo")), strict=True))


@pytest.mark.parametrize("n", [1, 2, 50])
@pytest.mark.parametrize("max_radius", [0, 4, 10])
def test_against_all_pairs(n: int, max_radius: int):
    rows = drawn(n, n + max_radius)
    assert triples(phash_distance(*rows, max_radius=max_radius)) == oracle(rows, max_radius)


@pytest.mark.parametrize("seed", range(12))
def test_added_rows_give_what_all_rows_give(seed: int):
    rows = drawn(70, seed)
    is_new = np.random.default_rng(seed).random(70) < (0.05, 0.3, 0.9)[seed % 3]
    before = phash_distance(*(part[~is_new] for part in rows), max_radius=6)
    former = {name: np.full(70, -1, values.dtype) for name, values in before.items()}
    for name, values in before.items():
        former[name][~is_new] = values
    whole = phash_distance(*rows, max_radius=6)
    updated = update_phash_distance(*rows, former, is_new, max_radius=6)
    for name, values in whole.items():
        assert updated[name].dtype == values.dtype
        assert updated[name].tolist() == values.tolist()


def test_every_smaller_radius_is_a_threshold():
    rows = drawn(60, 3)
    wide = phash_distance(*rows, max_radius=9)["phash_distance"]
    for radius in range(9):
        narrow = phash_distance(*rows, max_radius=radius)["phash_distance"]
        assert ((wide >= radius + 1) == (narrow == radius + 1)).all()


def test_many_equal_pictures_cost_no_pairs():
    n = 100_000
    same, detail = np.zeros(n, np.int64), np.empty(n, object)
    detail[:] = [bytes(64)] * n
    found = phash_distance(same, same, detail, np.arange(n, dtype=float), np.arange(n), same)
    assert found["phash_distance"].tolist() == [0] * (n - 1) + [11]
    assert (found["phash_twin_hi"] == n - 1).all()


def test_a_former_twin_that_is_gone_is_an_error():
    rows = drawn(3, 0)
    former = {name: np.zeros(3, np.int64) for name in ("phash_distance", "phash_twin_hi", "phash_twin_lo")}
    former["phash_twin_hi"][:] = 99
    with pytest.raises(SchemaError, match="phash_distance: a former twin has the uid 0000000000000063"):
        update_phash_distance(*rows, former, np.array([False, False, True]))
