"""Norms of the cosines to a target set, against loops and the authors' formula."""

import json
import math

import numpy as np
import pytest

from curation_assets.errors import SchemaError
from curation_assets.scores.normsim import normsim
from tests.conftest import SHARED

FOLDER = SHARED / "vectors" / "negcliploss"


def unit_rows(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)


@pytest.mark.parametrize(("n", "k", "d"), [(1, 1, 3), (5, 9, 2), (30, 7, 16)])
def test_against_loops(n: int, k: int, d: int):
    images, targets = unit_rows(n, d, 1), unit_rows(k, d, 2)
    for i, image in enumerate(images.tolist()):
        cosines = [math.fsum(a * b for a, b in zip(image, target, strict=True)) for target in targets.tolist()]
        expected = {2: math.sqrt(math.fsum(c * c for c in cosines)), "inf": min(1, max(cosines))}
        for p, value in expected.items():
            assert normsim(images, targets, p=p)[i] == pytest.approx(value, abs=1e-6)
        assert normsim(images, targets, is_parity=True)[i] == pytest.approx(min(1, max(map(abs, cosines))), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("NormSim_2", {"p": 2}),
        ("NormSim_inf_signed_max", {"p": "inf"}),
        ("NormSim_inf_reference_abs", {"p": "inf", "is_parity": True}),
    ],
)
def test_numbers_of_the_reference(name: str, settings: dict[str, object]):
    if not FOLDER.is_dir():
        pytest.skip(f"no vectors at {FOLDER}")
    expected = json.loads((FOLDER / "expected_batch_is_all_64.json").read_text())[name]
    targets = np.load(FOLDER / "proxy.npy").astype(np.float32)
    np.testing.assert_allclose(normsim(np.load(FOLDER / "img.npy"), targets, **settings), expected, atol=2e-7)


def test_the_square_of_the_2_norm_is_the_variance_alignment_score():
    images, targets = unit_rows(20, 6, 3), unit_rows(50, 6, 4)
    variance = np.mean([np.outer(t, t) for t in targets.astype(float)], axis=0)
    np.testing.assert_allclose(normsim(images, targets, p=2) ** 2 / 50, [f @ variance @ f for f in images], rtol=1e-5)


def test_the_opposite_of_a_target_is_far_and_near_for_the_reference():
    image, target = np.float32([[1, 0]]), np.float32([[-1, 0]])
    assert normsim(image, target).tolist() == [-1]
    assert normsim(image, target, is_parity=True).tolist() == [1]


@pytest.mark.parametrize("p", [2, "inf"])
def test_rows_that_are_computed_together_do_not_change_a_bit(p: object, monkeypatch: pytest.MonkeyPatch):
    images, targets = unit_rows(200, 64, 5), unit_rows(90, 64, 6)
    whole = normsim(images, targets, p=p)
    split = [normsim(images[i : i + 7], targets, p=p) for i in range(0, 200, 7)]
    assert np.concatenate(split).tobytes() == whole.tobytes()
    order = np.random.default_rng(0).permutation(200)
    assert normsim(images[order], targets, p=p).tobytes() == whole[order].tobytes()


@pytest.mark.parametrize("p", [2, "inf"])
def test_faults_are_named(p: object):
    rows = unit_rows(2, 4, 0)
    with pytest.raises(SchemaError, match="normsim: target_embedding must have unit rows"):
        normsim(rows, rows * 2, p=p)
    with pytest.raises(SchemaError, match=r"with 0 .*: at least one"):
        normsim(rows, rows[:0], p=p)
    with pytest.raises(SchemaError, match=r"length 4 .* length 6"):
        normsim(rows, unit_rows(2, 6, 0), p=p)
