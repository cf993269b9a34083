"""What training leaves on disk: a checkpoint after every epoch, and at the end weights named by their digest."""

import json
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from resources.openclip import weights_sha256

if TYPE_CHECKING:
    import torch


class Position(NamedTuple):
    """How far training is: epochs done, the loss of every step so far, seconds spent in them."""

    epochs_done: int
    step_losses: list[float]
    seconds: float


def saved_checkpoint(path: Path, module: "torch.nn.Module", optimizer: "torch.optim.Optimizer", position: Position) -> None:
    """Write a checkpoint in one step: a reader finds the old one or the new one, never a part."""
    import torch

    state = {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "position": tuple(position)}
    _written(path, lambda unfinished: torch.save(state, unfinished))


def resumed(path: Path, module: "torch.nn.Module", optimizer: "torch.optim.Optimizer", log: Callable[[str], None]) -> Position:
    """Put a checkpoint's state into the network and the optimizer; the beginning when there is none.

    Args:
        path: the checkpoint; its name holds the fingerprint of settings and pairs, so it is of this very training.
        module: the network, changed in place.
        optimizer: its optimizer, changed in place.
        log: takes a line when the file cannot be read and training starts over.
    """
    import torch

    if not path.is_file():
        return Position(0, [], 0.0)
    try:
        state = torch.load(path, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        log(f"checkpoint {path} cannot be read ({error}); training starts over")
        return Position(0, [], 0.0)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    return Position(*state["position"])


def saved_network(folder: Path, module: "torch.nn.Module", config: Mapping[str, object]) -> Path:
    """Write `<digest>.safetensors` and, beside it, `<digest>.json` with OpenCLIP's model configuration.

    Returns:
        Path of the weights; the digest is `weights_sha256` of the state, as an encoder made from them reports it.
    """
    from safetensors.torch import save_file

    state = {name: tensor.detach().contiguous() for name, tensor in module.state_dict().items()}
    weights = folder / f"{weights_sha256(state)}.safetensors"
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    _written(weights.with_suffix(".json"), lambda unfinished: unfinished.write_text(text))
    _written(weights, lambda unfinished: save_file(state, unfinished))
    return weights


def _written(path: Path, write: Callable[[Path], object]) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    write(unfinished)
    with open(unfinished, "rb") as file:
        os.fsync(file.fileno())  # without it a crash of the machine can leave the new name with old or no content
    os.replace(unfinished, path)
