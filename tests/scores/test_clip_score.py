"""Cosine of image and caption."""

import math

import numpy as np
import pytest

from curation_assets.errors import SchemaError
from curation_assets.scores.clip_score import clip_score


def unit_rows(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_cosines_on_paper():
    image = np.float32([[1, 0], [1, 0], [1, 0], [0.6, 0.8]])
    text = np.float32([[1, 0], [0, 1], [-1, 0], [0.8, 0.6]])
    np.testing.assert_allclose(clip_score(image, text), [1, 0, -1, 0.96], atol=1e-7)


@pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 512), (7, 2), (64, 768)])
def test_against_exact_sums(n: int, d: int):
    image, text = unit_rows(n, d, 0), unit_rows(n, d, 1)
    expected = [math.fsum(float(a) * float(b) for a, b in zip(x, y, strict=True)) for x, y in zip(image, text, strict=True)]
    found = clip_score(image, text)
    assert (found.dtype, found.shape) == (np.float32, (n,))
    np.testing.assert_array_equal(found, np.float32(np.clip(expected, -1, 1)))


def test_each_row_is_the_same_alone_as_among_many():
    image, text = unit_rows(33, 512, 2), unit_rows(33, 512, 3)
    whole = clip_score(image, text)
    alone = np.concatenate([clip_score(image[i : i + 1], text[i : i + 1]) for i in range(33)])
    np.testing.assert_array_equal(whole, alone)
    order = np.random.default_rng(4).permutation(33)
    np.testing.assert_array_equal(clip_score(image[order], text[order]), whole[order])
    np.testing.assert_array_equal(clip_score(text, image), whole)


def test_rounding_never_leaves_the_bounds():
    rows = unit_rows(500, 64, 5).astype(np.float16).astype(np.float32)
    assert clip_score(rows, rows).max() == 1.0
    assert clip_score(rows, -rows).min() == -1.0
    assert clip_score(rows, rows).min() > 0.999


@pytest.mark.parametrize(
    ("image", "text", "message"),
    [
        ([[1, 0], [3, 4]], [[1, 0], [1, 0]], "clip_score: image_embedding must have unit rows, .* row 1 has L2 norm 5.000"),
        ([[1, 0]], [[0, 0]], "clip_score: text_embedding must have unit rows, .* row 0 has L2 norm 0.000"),
        ([[1, 0]], [[float("nan"), 0]], "clip_score: text_embedding must have unit rows"),
    ],
)
def test_rows_that_are_no_unit_vectors_are_refused(image: list[list[float]], text: list[list[float]], message: str):
    with pytest.raises(SchemaError, match=message):
        clip_score(np.float32(image), np.float32(text))
