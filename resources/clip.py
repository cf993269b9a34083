"""The encoder as a Dagster resource: its settings, and the one decision taken from them, the device."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field

from curation_assets.errors import EncoderError
from resources.checkpoints import own_network, pretrained_network
from resources.encoder import Encoder
from resources.openclip import Network


class ClipEncoder(dg.ConfigurableResource):
    """A CLIP network that turns images and captions into vectors.

    Importing and configuring it loads neither torch nor open_clip; `load` and `load_network` do.
    """

    model: str = Field(default="", description="Name of an OpenCLIP model, such as ViT-B-32.")
    pretrained: str = Field(
        default="",
        description="Tag of that model's published weights, such as laion2b_s34b_b79k, or the path of a local "
        "checkpoint (.safetensors, or a torch file that holds tensors only).",
    )
    preprocess_as: str = Field(
        default="", description="Tag whose way to prepare pictures a local checkpoint wants; needed where the tags differ."
    )
    device: str = Field(default="auto", description="auto (CUDA if there is one, else the CPU), cpu, cuda, or cuda:1.")
    precision: Literal["fp32", "fp16", "bf16"] = Field(
        default="fp32", description="Arithmetic of the two towers; weights stay float32."
    )
    batch_size: int = Field(default=64, ge=1, description="Samples per forward pass.")
    decode_workers: int = Field(
        default=1, ge=0, description="Processes that read and decode images; 0 decodes in the step's own process."
    )

    def load(self) -> Encoder:
        """The encoder that `model` and `pretrained` name, on `device`.

        Raises:
            EncoderError: unknown model, tag or device, or weights that cannot be found or loaded.
        """
        device = available_device(self.device)
        return self._encoder(pretrained_network(self.model, self.pretrained, self.preprocess_as), device)

    def load_network(self, config: Mapping[str, object], weights: Path) -> Encoder:
        """An encoder of our own, such as a filter network made by `training.py`, on `device`.

        Args:
            config: OpenCLIP's model configuration of the network.
            weights: its `.safetensors` file.

        Raises:
            EncoderError: unknown device, or the two do not fit each other.
        """
        device = available_device(self.device)
        return self._encoder(own_network(config, Path(weights), Path(weights).stem[:12]), device)

    def _encoder(self, network: Network, device: str) -> Encoder:
        return Encoder(
            network,
            device=device,
            precision=self.precision,
            batch_size=self.batch_size,
            decode_workers=self.decode_workers,
        )


def available_device(asked: str) -> str:
    """The device that will be used: `auto` is resolved, and a device that is not there is refused.

    Raises:
        EncoderError: not a device's name, or no such CUDA device on this machine.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", asked):
        raise EncoderError(f"unknown device {asked!r}; known: auto, cpu, cuda, cuda:N")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "cpu" or (asked == "auto" and not count):
        return "cpu"
    index = int(asked.partition(":")[2] or 0)
    if index >= count:
        raise EncoderError(f"device {asked!r} is not there: this machine has {count} CUDA devices; use device: auto or cpu")
    return f"cuda:{index}"
