"""A random sample of pairs: which rows, and that neither order nor shards decide."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.identity import keyed_bits
from curation_assets.algorithms.vectors import from_binary
from curation_assets.summaries import all_summaries
from curation_assets.summaries.reference_pairs import SUMMARY, merged_pairs, reference_pairs

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def made_up(n: int, seed: int, uids: int | None = None) -> Rows:
    """Embeddings that tell rows apart; with few uids, some rows share theirs."""
    rng = np.random.default_rng(seed)
    images, texts = (rng.integers(-9, 9, (n, 3)).astype(np.float32) / 8 for _ in range(2))
    return images, texts, rng.integers(-(2**63), 2**63, n) if uids is None else rng.integers(-uids, uids, n), np.arange(n) % 2


def listed(pairs: dict[str, np.ndarray]) -> list[tuple[object, ...]]:
    return list(zip(*(pairs[column.name].tolist() for column in SUMMARY.columns), strict=True))


@given(st.integers(0, 25), st.integers(1, 30), st.integers(0, 3))
@settings(deadline=None)
def test_the_rows_are_those_with_the_smallest_hash(n: int, size: int, seed: int):
    images, texts, uid_hi, uid_lo = rows = made_up(n, n)
    found = reference_pairs(*rows, size=size, seed=seed)
    bits = keyed_bits(uid_hi, uid_lo, seed=seed, method="reference_pairs").tolist()
    smallest = sorted(range(n), key=bits.__getitem__)[:size]
    expected = sorted((int(uid_hi[i]) % 2**64, int(uid_lo[i]) % 2**64, i) for i in smallest)
    assert [(hi % 2**64, lo % 2**64) for hi, lo, _, _ in listed(found)] == [(hi, lo) for hi, lo, _ in expected]
    for name, matrix in (("reference_image", images), ("reference_text", texts)):
        stored = from_binary(pa.array(found[name], pa.binary()), "<f2")
        assert stored.tolist() == [matrix[i].tolist() for _, _, i in expected]


@given(st.integers(1, 30), st.integers(1, 12), st.lists(st.integers(0, 30), max_size=4), st.sampled_from([None, 2]), st.data())
@settings(deadline=None)
def test_neither_order_nor_shards_decide(n: int, size: int, cuts: list[int], uids: int | None, data: st.DataObject):
    rows = made_up(n, n, uids)
    whole = reference_pairs(*rows, size=size, seed=7)
    order = np.array(data.draw(st.permutations(range(n))))
    parts = [
        reference_pairs(*(c[part] for c in rows), size=size, seed=7) for part in np.split(order, sorted(cuts)) if len(part)
    ]
    parts = data.draw(st.permutations(parts))
    together = {name: np.concatenate([part[name] for part in parts]) for name in whole}
    assert listed(merged_pairs(together, size=size, seed=7)) == listed(whole)
    one_by_one = parts[0]
    for part in parts[1:]:
        both = {name: np.concatenate([one_by_one[name], part[name]]) for name in whole}
        one_by_one = merged_pairs(both, size=size, seed=7)
    assert listed(merged_pairs(one_by_one, size=size, seed=7)) == listed(whole)


def test_another_seed_is_another_sample():
    rows = made_up(200, 1)
    assert listed(reference_pairs(*rows, size=20, seed=0)) != listed(reference_pairs(*rows, size=20, seed=1))


def test_columns_are_the_declared_ones():
    assert all_summaries()["reference_pairs"] is SUMMARY
    found = reference_pairs(*made_up(4, 0), size=3)
    assert list(found) == [column.name for column in SUMMARY.columns]
    assert all(pa.array(found[column.name]).type == column.type for column in SUMMARY.columns)
