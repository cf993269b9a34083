"""The steps by which a small CLIP learns: loss, learning rate, one epoch after the other."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation_assets.errors import EncoderError
from resources.openclip import Preprocessing
from resources.training_state import Position, resumed, saved_checkpoint

if TYPE_CHECKING:
    import torch

MAX_LOGIT_SCALE = math.log(100)  # Radford et al. 2021, section 2.5
ADAM_BETAS, ADAM_EPS = (0.9, 0.98), 1e-6  # Radford et al. 2021, table 19, vision transformers


class Course(NamedTuple):
    """How a network learns; units and meaning as in `training.TrainingSettings`."""

    epochs: int
    batch_size: int
    learning_rate: float
    warmup_fraction: float
    weight_decay: float
    seed: int


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Torch with a fixed number of threads and deterministic algorithms only; both as before afterwards.

    Args:
        threads: CPU threads.
    """
    import torch

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=warn_only)


def contrastive_loss(image: "torch.Tensor", text: "torch.Tensor", logit_scale: "torch.Tensor") -> "torch.Tensor":
    """Symmetric cross-entropy of a batch: each picture picks its caption, each caption its picture, among all.

    Args:
        image: vectors of any length, shape (b, d).
        text: the vectors of their captions, shape (b, d).
        logit_scale: logarithm of the inverse temperature, a scalar.

    Returns:
        A scalar in nats; log(b) when nothing is known.

    Source:
        Radford et al. 2021, CLIP, arXiv:2103.00020, figure 3.
    """
    from torch.nn import functional

    logits = logit_scale.exp() * functional.normalize(image, dim=-1) @ functional.normalize(text, dim=-1).T
    labels = logits.new_tensor(range(len(logits))).long()
    return (functional.cross_entropy(logits, labels) + functional.cross_entropy(logits.T, labels)) / 2


def learning_rate(step: int, steps: int, course: Course) -> float:
    """Learning rate of a step: linear up over the warm-up, then half a cosine down towards 0.

    Example:
        >>> course = Course(1, 1, 1.0, 0.2, 0.0, 0)
        >>> [round(learning_rate(step, 10, course), 2) for step in range(10)]
        [0.5, 1.0, 1.0, 0.96, 0.85, 0.69, 0.5, 0.31, 0.15, 0.04]
    """
    warmup = max(1, round(steps * course.warmup_fraction))
    if step < warmup:
        return course.learning_rate * (step + 1) / warmup
    return course.learning_rate * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))) / 2


def train(
    module: "torch.nn.Module",
    pixels: np.ndarray,
    tokens: "torch.Tensor",
    *,
    preprocessing: Preprocessing,
    course: Course,
    checkpoint: Path,
    log: Callable[[str], None],
) -> Position:
    """Run all epochs that are still to run, with a checkpoint after each.

    Args:
        module: the network, changed in place.
        pixels: uint8, shape (n, side, side, 3).
        tokens: int64, shape (n, context length).
        preprocessing: mean and standard deviation that the network expects.
        course: how it learns.
        checkpoint: file for its state between epochs; where it exists, training goes on from there.
        log: takes a line after every epoch.

    Raises:
        EncoderError: the loss is not finite any more.
    """
    optimizer = _optimizer(module, course)
    position = resumed(checkpoint, module, optimizer, log)
    pairs = _Memory(pixels, tokens, preprocessing, course)
    module.requires_grad_(True).train()
    for epoch in range(position.epochs_done, course.epochs):
        began = time.monotonic()
        losses = [_step(module, optimizer, batch, course) for batch in pairs.batches(epoch)]
        position = Position(epoch + 1, position.step_losses + losses, position.seconds + time.monotonic() - began)
        saved_checkpoint(checkpoint, module, optimizer, position)
        rate = pairs.batch_size * len(losses) * (epoch + 1) / position.seconds
        log(f"epoch {epoch + 1} of {course.epochs}: loss {np.mean(losses):.3f}, {rate:,.0f} samples/s on cpu")
    module.eval().requires_grad_(False)
    return position


class _Memory:
    """All training pairs in memory, handed out in a seeded order that is another one in every epoch."""

    def __init__(self, pixels: np.ndarray, tokens: "torch.Tensor", preprocessing: Preprocessing, course: Course) -> None:
        import torch

        self._pixels, self._tokens, self._course = torch.from_numpy(pixels), tokens, course
        self._mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1)
        self._std = torch.tensor(preprocessing.std).view(1, 3, 1, 1)
        self.batch_size = min(course.batch_size, len(tokens))
        self.steps_per_epoch = len(tokens) // self.batch_size

    def batches(self, epoch: int) -> "Iterator[tuple[int, int, torch.Tensor, torch.Tensor]]":
        """Step, number of all steps, normalised pictures, tokens; what fills no batch waits for another epoch."""
        import torch

        course = self._course
        order = np.random.default_rng([course.seed, epoch]).permutation(len(self._tokens))
        for number in range(self.steps_per_epoch):
            rows = torch.from_numpy(order[number * self.batch_size : (number + 1) * self.batch_size])
            values = self._pixels[rows].permute(0, 3, 1, 2).float().div_(255.0)
            step = epoch * self.steps_per_epoch + number
            yield (
                step,
                course.epochs * self.steps_per_epoch,
                values.sub_(self._mean).div_(self._std),
                self._tokens[rows],
            )


def _optimizer(module: "torch.nn.Module", course: Course) -> "torch.optim.Optimizer":
    import torch

    matrices = [parameter for parameter in module.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in module.parameters() if parameter.ndim < 2]  # gains, biases, the temperature
    groups = [{"params": matrices, "weight_decay": course.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=course.learning_rate, betas=ADAM_BETAS, eps=ADAM_EPS, fused=True)


def _step(
    module: "torch.nn.Module",
    optimizer: "torch.optim.Optimizer",
    batch: "tuple[int, int, torch.Tensor, torch.Tensor]",
    course: Course,
) -> float:
    """One update of the weights; returns the loss before it."""
    import torch

    step, steps, values, tokens = batch
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, steps, course)
    optimizer.zero_grad()
    loss = contrastive_loss(module.encode_image(values), module.encode_text(tokens), module.logit_scale)
    if not torch.isfinite(loss):
        raise EncoderError(f"training fails at step {step} of {steps}: the loss is {loss.item()}; lower learning_rate")
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        module.logit_scale.clamp_(0, MAX_LOGIT_SCALE)
    return loss.item()
