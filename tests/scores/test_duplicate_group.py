"""Groups of duplicates against walking from copy to copy, and the same after rows were added."""

import numpy as np
import pytest

from curation_assets.algorithms.perceptual_hash import PerceptualHashes, detail_words
from curation_assets.algorithms.perceptual_pairs import perceptual_pairs
from curation_assets.scores.duplicate_group import duplicate_group, update_duplicate_group

Rows = tuple[np.ndarray, ...]
COLUMNS = ("duplicate_rank", "duplicate_group_size", "duplicate_survivor_hi", "duplicate_survivor_lo")


def drawn(n: int, seed: int) -> Rows:
    """Hashes that drift in small steps, so that groups chain; some files equal though their hashes are not."""
    rng = np.random.default_rng(seed)
    words = rng.integers(-(2**63), 2**63 - 1, (n, 10))
    for row in range(1, n):
        if rng.random() < 0.7:
            words[row] = words[rng.integers(0, row)]
            words[row, rng.integers(0, 2)] ^= np.int64(1) << rng.integers(0, 63)
    files, detail = np.empty((2, n), object)
    files[:] = [bytes([value]) * 32 for value in rng.integers(0, 2 * n, n).tolist()]
    detail[:] = [row.astype("<i8").tobytes() for row in words[:, 2:]]
    preference = rng.integers(0, 4, n).astype(float)
    return files, words[:, 0], words[:, 1], detail, preference, rng.integers(-3, 3, n), rng.permutation(n)


def oracle(rows: Rows, radius: int, is_sha256: bool) -> list[tuple[int, int, int, int]]:
    files, plain, mirrored, detail, preference, uid_hi, uid_lo = rows
    n = len(files)
    order = [(-preference[i], int(uid_hi[i]) % 2**64, int(uid_lo[i])) for i in range(n)]
    joined = {(i, j) for i in range(n) for j in range(n) if is_sha256 and files[i] == files[j]}
    if radius >= 0:  # the pairs have a test of their own
        for pairs in perceptual_pairs(PerceptualHashes(plain, mirrored, detail_words(detail)), radius):
            joined |= {(int(i), int(j)) for i, j in zip(pairs.left, pairs.right, strict=True)}
    found = []
    for row in range(n):
        group, waiting = {row}, [row]
        while waiting:
            here = waiting.pop()
            reached = {j for i, j in joined if i == here} | {i for i, j in joined if j == here}
            waiting += reached - group
            group |= reached
        ordered = sorted(group, key=order.__getitem__)
        found.append((ordered.index(row), len(group), int(uid_hi[ordered[0]]), int(uid_lo[ordered[0]])))
    return found


def quadruples(found: dict[str, np.ndarray]) -> list[tuple[int, int, int, int]]:
    return list(zip(*(found[name].tolist() for name in COLUMNS), strict=True))


@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize(("radius", "is_sha256"), [(-1, True), (-1, False), (0, True), (3, False), (4, True)])
def test_against_walking(n: int, radius: int, is_sha256: bool):
    rows = drawn(n, n + radius)
    found = duplicate_group(*rows, phash_radius=radius, is_sha256=is_sha256)
    assert quadruples(found) == oracle(rows, radius, is_sha256)


@pytest.mark.parametrize("seed", range(12))
def test_added_rows_give_what_all_rows_give(seed: int):
    rows = drawn(70, seed)
    is_new = np.random.default_rng(seed).random(70) < (0.05, 0.3, 0.9)[seed % 3]
    before = duplicate_group(*(part[~is_new] for part in rows), phash_radius=2)
    former = {name: np.full(70, -1, values.dtype) for name, values in before.items()}
    for name, values in before.items():
        former[name][~is_new] = values
    whole = duplicate_group(*rows, phash_radius=2)
    assert quadruples(update_duplicate_group(*rows, former, is_new, phash_radius=2)) == quadruples(whole)


def test_row_order_does_not_matter():
    rows = drawn(50, 1)
    order = np.random.default_rng(0).permutation(50)
    whole, shuffled = duplicate_group(*rows), duplicate_group(*(part[order] for part in rows))
    assert quadruples(shuffled) == [quadruples(whole)[row] for row in order]
