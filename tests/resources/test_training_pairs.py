"""The split of pairs by content, and the AUC against counting pair by pair."""

import numpy as np
import pytest

from curation_assets.errors import EncoderError
from resources.decode import ImageBytes
from resources.training_pairs import MIN_PAIRS, matched_auc, split_pairs
from tests.resources.squares import stored


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("squares"), 120)


def split(images, texts, *, holdout_fraction=0.25, seed=0):
    return split_pairs(images, texts, side_px=16, holdout_fraction=holdout_fraction, seed=seed)


def test_split_depends_on_the_pairs_not_on_their_order(squares):
    images, texts = squares
    order = np.random.default_rng(3).permutation(len(images))

    first, second = split(images, texts), split([images[i] for i in order], [texts[i] for i in order])

    for one, other in zip(first[:2], second[:2], strict=True):
        assert one.digest == other.digest
        assert one.texts == other.texts
        np.testing.assert_array_equal(one.pixels, other.pixels)
    assert len(first.training.texts) + len(first.held_out.texts) == 120
    assert 15 <= len(first.held_out.texts) <= 45
    assert split(images, texts, seed=1).held_out.texts != first.held_out.texts


def test_equal_pairs_are_never_on_both_sides(squares):
    images, texts = squares

    training, held_out, _ = split(images * 2, texts * 2)

    assert not set(training.texts) & set(held_out.texts)
    assert len(training.texts) + len(held_out.texts) == 240


def test_undecodable_pairs_are_counted_and_left_out(squares):
    images, texts = squares
    broken = ImageBytes(images[0].path, 3, 40)

    assert split([*images, broken], [*texts, "broken"]).undecodable == 1
    with pytest.raises(EncoderError, match=f"needs {MIN_PAIRS} pairs to learn from.*of 121 pairs, 121 cannot be decoded"):
        split([broken] * 121, [*texts, "broken"])
    with pytest.raises(EncoderError, match="120 images and 3 texts"):
        split(images, texts[:3])


def slow_auc(image, text, texts, others):
    """The oracle: every matched pair against every swapped one, one by one."""
    matched = [i @ t for i, t in zip(image, text, strict=True)]
    swapped = [image[row] @ text[other] for shift in others for row, other in enumerate(shift) if texts[row] != texts[other]]
    return np.mean([(m > s) + (m == s) / 2 for m in matched for s in swapped])


@pytest.mark.parametrize("count", [2, 3, 17])
@pytest.mark.parametrize("signal_share", [0.0, 0.5, 1.0])
def test_auc_equals_counting_pair_by_pair(count, signal_share):
    rng = np.random.default_rng(count)
    image = rng.normal(size=(count, 4))
    text = signal_share * image + (1 - signal_share) * rng.normal(size=(count, 4))
    texts = [f"text {row % max(2, count - 2)}" for row in range(count)]
    order = np.random.default_rng([9, 1]).permutation(count)
    others = [
        [int(order[(list(order).index(row) - shift) % count]) for row in range(count)]
        for shift in range(1, min(5, count - 1) + 1)
    ]

    assert matched_auc(image, text, texts, seed=9) == pytest.approx(slow_auc(image, text, texts, others))


def test_auc_of_vectors_that_know_nothing_is_one_half():
    same = np.ones((6, 2), np.float32)

    assert matched_auc(same, same, list("abcdef"), seed=0) == 0.5
    with pytest.raises(EncoderError, match="all 6 held-out captions are equal"):
        matched_auc(same, same, ["a"] * 6, seed=0)
