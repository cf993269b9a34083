"""Both towers of a CLIP network on a device: passes of one shape, copies that overlap them, memory that runs out."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np

from curation_assets.errors import EncoderError
from resources.openclip import Preprocessing

if TYPE_CHECKING:
    import torch


class PendingVectors:
    """Unit vectors on their way from the device to memory.

    Args:
        vectors: float32, shape (2, n, d), image vectors first; on a CUDA device a copy of them may still be under way.
        arrived: CUDA event after that copy; None when the vectors are there.
        sources: pinned tensors that the device may still read, kept alive until then.
    """

    def __init__(
        self, vectors: "torch.Tensor", arrived: "torch.cuda.Event | None", sources: "tuple[torch.Tensor, ...]"
    ) -> None:
        self._vectors, self._arrived, self._sources = vectors, arrived, sources

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Image and text vectors, float32, shape (n, d); waits for the device."""
        if self._arrived is not None:
            self._arrived.synchronize()
        self._sources = ()
        image, text = self._vectors.numpy()
        return image, text


class Towers:
    """A network on its device.

    Args:
        module: the network, with `encode_image` and `encode_text`.
        preprocessing: mean and standard deviation that its pictures need.
        device: torch's name of the device.
        precision: fp32, or fp16 and bf16 for autocast around the two towers.
        batch_size: samples per pass; `batch_size` is what is used now, halved whenever memory runs out.
    """

    def __init__(
        self, module: "torch.nn.Module", preprocessing: Preprocessing, *, device: str, precision: str, batch_size: int
    ) -> None:
        import torch

        self.device = torch.device(device)
        self.batch_size = batch_size
        self._module = module.to(self.device)
        self._dtype = {"fp32": None, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
        self._mean = torch.tensor(preprocessing.mean, device=self.device).view(1, 3, 1, 1)
        self._std = torch.tensor(preprocessing.std, device=self.device).view(1, 3, 1, 1)

    def launch(self, pixels: np.ndarray, tokens: "torch.Tensor", log: Callable[[str], None]) -> PendingVectors:
        """Start both towers on a batch; on CUDA this returns before they are done.

        Args:
            pixels: uint8, shape (n, side, side, 3).
            tokens: int64, shape (n, context length).
            log: takes a line when the batch is halved.

        Raises:
            EncoderError: the device's memory does not hold a single sample.
        """
        import torch

        sources = torch.from_numpy(pixels), tokens
        if self.device.type == "cuda":
            sources = sources[0].pin_memory(), sources[1].pin_memory()
        while True:
            try:
                with torch.inference_mode():
                    passes = [self._passed(*sources, low) for low in range(0, len(pixels), self.batch_size)]
                    return self._sent(torch.cat(passes, dim=1), sources)
            except torch.OutOfMemoryError as error:
                if self.batch_size == 1:
                    raise EncoderError(f"{self.device} has not enough memory for one sample: {error}") from error
            self.batch_size //= 2  # outside the except clause: there the error still holds the failed pass's tensors
            log(f"out of memory on {self.device}: going on with batches of {self.batch_size}")
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def dimensions(self, tokens: "torch.Tensor") -> int:
        """Length of a vector, found by embedding one text."""
        import torch

        with torch.inference_mode():
            return int(self._module.encode_text(tokens[:1].to(self.device)).shape[-1])

    def _passed(self, pixels: "torch.Tensor", tokens: "torch.Tensor", low: int) -> "torch.Tensor":
        """Unit vectors of one pass, from row `low`, shape (2, up to batch_size, d)."""
        rows = slice(low, low + self.batch_size)
        count = len(tokens[rows])
        values = self._padded(pixels[rows]).permute(0, 3, 1, 2).float().div_(255.0)
        values.sub_(self._mean).div_(self._std)
        with self._autocast():
            image = self._module.encode_image(values)
        with self._autocast():
            text = self._module.encode_text(self._padded(tokens[rows]))
        return _unit(image[:count].float(), text[:count].float())

    def _padded(self, rows: "torch.Tensor") -> "torch.Tensor":
        """The rows on the device, followed by copies of the first one up to the fixed batch size.

        Kernels are chosen by shape, and another kernel adds in another order: only a fixed shape makes a sample's
        vector the same in a full batch and in the last one.
        """
        on_device = rows.to(self.device, non_blocking=True)
        missing = self.batch_size - len(rows)
        return on_device if not missing else on_device[[*range(len(rows)), *[0] * missing]]

    def _autocast(self) -> AbstractContextManager:
        import torch

        return torch.autocast(self.device.type, self._dtype) if self._dtype else nullcontext()

    def _sent(self, vectors: "torch.Tensor", sources: "tuple[torch.Tensor, ...]") -> PendingVectors:
        import torch

        if self.device.type != "cuda":
            return PendingVectors(vectors, None, ())
        with torch.cuda.device(self.device):
            in_memory = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True)
            in_memory.copy_(vectors, non_blocking=True)
            arrived = torch.cuda.Event()
            arrived.record()
        return PendingVectors(in_memory, arrived, sources)


def _unit(*features: "torch.Tensor") -> "torch.Tensor":
    """Rows divided by their L2 norm; a zero row stays zero, a row that is not finite stays not finite."""
    import torch

    stacked = torch.stack(features)
    norm = torch.linalg.vector_norm(stacked, dim=-1, keepdim=True)
    return stacked / torch.where(norm > 0, norm, torch.ones_like(norm))
