"""OpenCLIP as this project uses it: importing it, building a network from its configuration, loading its weights.

torch and open_clip are imported inside functions: importing this module costs nothing. Where weights are looked for is
in `checkpoints.py`; what is computed with them in `towers.py` and `encoder.py`.
"""

import hashlib
import pickle
import sys
import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from curation_assets.errors import EncoderError
from resources.decode import RESAMPLING, RESIZE_MODES, Framing

if TYPE_CHECKING:
    import torch

ModelConfig = dict[str, object]  # OpenCLIP's model configuration: embed_dim, vision_cfg, text_cfg and flags, as in its JSON
CHECKPOINT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")

_import_lock = threading.Lock()
_defined_operators: list[object] = []  # torch drops an operator together with the Library object that defined it


class Preprocessing(NamedTuple):
    """What a network expects of a picture: its square; mean and standard deviation per channel of values in [0, 1]."""

    framing: Framing
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Network(NamedTuple):
    """A CLIP network with all it needs; the tokenizer turns texts into an int64 tensor (n, context length)."""

    module: "torch.nn.Module"
    tokenizer: "Callable[[list[str]], torch.Tensor]"
    preprocessing: Preprocessing
    name: str


def import_open_clip() -> ModuleType:
    """The module open_clip, also where torchvision's compiled operators do not load.

    torchvision from PyPI is compiled against CUDA builds of torch. Beside a CPU build its library is skipped, and its
    import then fails with `operator torchvision::nms does not exist` although nothing here calls it. Declaring the
    missing operators lets the import pass; calling one would still fail. Where the real ones load, nothing is declared.

    Raises:
        EncoderError: open_clip or what it needs is not installed, or fails to import for another reason.
    """
    with _import_lock:
        try:
            _import_torchvision()
            import open_clip
        except (ImportError, RuntimeError) as error:
            raise EncoderError(
                f"open_clip cannot be imported: {error}; reinstall torch, torchvision, open_clip_torch"
            ) from error
    return open_clip


def _import_torchvision() -> None:
    try:
        import torchvision
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        from torch import library

        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        declared = library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _defined_operators.append(declared)
        import torchvision  # noqa: F401


def build_module(config: Mapping[str, object], *, seed: int = 0) -> "torch.nn.Module":
    """A network of this shape with random weights, in evaluation mode, on the CPU, float32; nothing is downloaded.

    Args:
        config: OpenCLIP's model configuration.
        seed: decides the random weights.

    Raises:
        EncoderError: open_clip refuses the configuration or needs a package that is not installed.

    Source:
        open_clip 3.3 factory.py create_model, without its downloads, root logger and use of the global generator.
    """
    open_clip = import_open_clip()
    import torch

    config = deepcopy(dict(config))
    try:
        if "timm_model_name" in config["vision_cfg"]:
            config["vision_cfg"]["timm_model_pretrained"] = False
        is_foreign_text = "hf_model_name" in config["text_cfg"]
        if is_foreign_text:
            config["text_cfg"]["hf_model_pretrained"] = False
        has_own_text_tower = config.pop("custom_text", False) or is_foreign_text
        plain = open_clip.CustomTextCLIP if has_own_text_tower else open_clip.CLIP
        build = open_clip.CoCa if "multimodal_cfg" in config else plain
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(seed)
            module = build(**config)
    except (KeyError, TypeError, ValueError, ImportError, OSError, RuntimeError, AssertionError) as error:
        raise EncoderError(f"open_clip cannot build a network from {config}: {type(error).__name__}: {error}") from error
    return module.eval().requires_grad_(False)


def loaded_module(config: Mapping[str, object], path: Path) -> "torch.nn.Module":
    """A network of this shape with the weights of a checkpoint; never unpickles code.

    Args:
        config: OpenCLIP's model configuration, whose names and shapes must be the checkpoint's.
        path: `.safetensors`, or a torch file that holds tensors only (weights_only=True).

    Raises:
        EncoderError: no such file, another kind of file, one that would have to run code, or weights of another shape.
    """
    if not path.is_file():
        raise EncoderError(f"no checkpoint at {path}: there is no such file")
    if path.suffix not in CHECKPOINT_SUFFIXES:
        raise EncoderError(f"cannot load checkpoint {path}: its name must end in one of {list(CHECKPOINT_SUFFIXES)}")
    open_clip = import_open_clip()
    from safetensors import SafetensorError

    module = build_module(config)
    faults = (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        KeyError,
        AttributeError,
        OSError,
        EOFError,
    )
    try:
        open_clip.load_checkpoint(module, str(path), strict=True, weights_only=True)
    except (*faults, StopIteration) as error:
        text = str(error) if len(str(error)) < 600 else f"{str(error)[:600]} ..."
        raise EncoderError(
            f"cannot load checkpoint {path} into this network: {type(error).__name__}: {text}; it must hold weights of "
            f"the model that was asked for, as .safetensors or as a torch file of tensors (code is never unpickled)"
        ) from error
    return module


def weights_sha256(state: "Mapping[str, torch.Tensor]") -> str:
    """Digest of named tensors: names in order, types, shapes, bytes. The file they came from does not matter.

    Args:
        state: a state dict, on any device.

    Returns:
        64 hex digits.
    """
    import torch

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def preprocessing(module: "torch.nn.Module", overrides: Mapping[str, object]) -> Preprocessing:
    """The picture that a network expects: OpenCLIP's defaults, a tag's departures from them, the network's own side.

    Args:
        module: the network; its `visual.image_size` decides the side of the square.
        overrides: a pretrained tag's entries (mean, std, interpolation, resize_mode); other entries are ignored.

    Raises:
        EncoderError: a picture that is not a square, or a way to resize that `decode.py` does not know.
    """
    open_clip = import_open_clip()
    size = module.visual.image_size
    sides = {size} if isinstance(size, int) else set(size)
    resize_mode = overrides.get("resize_mode") or "shortest"
    interpolation = overrides.get("interpolation") or "bicubic"
    if len(sides) != 1 or resize_mode not in RESIZE_MODES or interpolation not in RESAMPLING:
        raise EncoderError(
            f"network wants images of {size} px, resize_mode {resize_mode!r}, interpolation {interpolation!r}; "
            f"supported: squares, {list(RESIZE_MODES)}, {list(RESAMPLING)}"
        )
    mean = overrides.get("mean") or open_clip.OPENAI_DATASET_MEAN
    std = overrides.get("std") or open_clip.OPENAI_DATASET_STD
    return Preprocessing(Framing(sides.pop(), resize_mode, interpolation), tuple(mean), tuple(std))
