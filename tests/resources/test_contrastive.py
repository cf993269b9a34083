"""The contrastive loss against the sum written out, and the shape of the learning rate."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from resources.contrastive import contrastive_loss, learning_rate
from resources.training import TrainingSettings


@pytest.mark.parametrize(("count", "scale"), [(1, 0.0), (2, 1.0), (7, 2.659), (16, 4.6)])
def test_loss_equals_the_sum_written_out(count, scale):
    rng = np.random.default_rng(count)
    image, text = rng.normal(size=(2, count, 5))
    cosine = [[i @ t / np.linalg.norm(i) / np.linalg.norm(t) * np.exp(scale) for t in text] for i in image]
    by_image = [np.log(sum(np.exp(value) for value in row)) - row[k] for k, row in enumerate(cosine)]
    by_text = [np.log(sum(np.exp(row[k]) for row in cosine)) - cosine[k][k] for k in range(count)]

    loss = contrastive_loss(torch.tensor(image), torch.tensor(text), torch.tensor(scale))

    assert loss.item() == pytest.approx((np.mean(by_image) + np.mean(by_text)) / 2)


def test_loss_of_indifference_is_the_logarithm_of_the_batch():
    same = torch.ones(8, 3)

    assert contrastive_loss(same, same, torch.tensor(1.0)).item() == pytest.approx(np.log(8))


def test_learning_rate_rises_to_its_peak_and_falls_towards_zero():
    course = replace(TrainingSettings(), learning_rate=0.5, warmup_fraction=0.25).course()
    rates = [learning_rate(step, 40, course) for step in range(40)]

    assert max(rates) == rates[9] == rates[10] == 0.5
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.005
