"""Uniform numbers that belong to a uid."""

import numpy as np
import pytest

from curation_assets.algorithms import keyed_uniform as module
from curation_assets.algorithms.identity import keyed_bits
from curation_assets.algorithms.keyed_uniform import keyed_uniform


def test_numbers_are_uniform_and_belong_to_their_uid():
    uid = np.arange(20_000), np.arange(20_000) % 7
    found = keyed_uniform(*uid, seed=3, method="m")
    counts = np.histogram(found, bins=10, range=(0, 1))[0]
    assert abs(counts - 2000).max() < 200  # standard deviation 42
    order = np.random.default_rng(0).permutation(20_000)
    assert np.array_equal(keyed_uniform(uid[0][order], uid[1][order], seed=3, method="m"), found[order])
    assert not np.isin(keyed_uniform(*uid, seed=4, method="m"), found).any()
    exact = [((bits >> 11) + 1) / 2**53 for bits in keyed_bits(*uid, seed=3, method="m").tolist()]
    assert found.tolist() == exact


@pytest.mark.parametrize(("bits", "uniform"), [(0, 2.0**-53), (2**11 - 1, 2.0**-53), (2**64 - 1, 1.0), (2**63, 0.5 + 2.0**-53)])
def test_0_is_left_out_and_1_is_not(bits: int, uniform: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "keyed_bits", lambda hi, lo, seed, method: np.array([bits], np.uint64))
    assert keyed_uniform(np.zeros(1, int), np.zeros(1, int), seed=0, method="m").tolist() == [uniform]
