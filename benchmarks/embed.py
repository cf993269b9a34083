"""How fast samples are embedded, from tar to vectors, against the bare model on tensors that are ready.

    python benchmarks/embed.py [--model ViT-B-32] [--device auto] [--samples 96] [--decode-workers 1] [--json]

Weights are random and pictures are drawn: only the time matters, and it depends on neither. Both variants take turns in
one process, so that a busy machine slows both; ratios are medians over the turns. The whole pipeline reads a tar,
decodes and resizes JPEGs, tokenizes captions and runs both towers; the bare model runs both towers only. On a CPU that
others use as well, `cpu_ratio` (CPU seconds, workers included) is steadier than `ratio` (wall seconds).
"""

import argparse
import io
import json
import os
import resource
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import torch  # noqa: E402  (the benchmark runs from a checkout, too)
from machine import machine  # noqa: E402

from resources.clip import available_device  # noqa: E402
from resources.decode import ImageBytes  # noqa: E402
from resources.encoder import PRECISIONS, Encoder  # noqa: E402
from resources.openclip import Network, build_module, import_open_clip, preprocessing  # noqa: E402

DISTINCT_IMAGES = 64
CAPTION = "a photo of a small red boat on a calm lake in front of snowy mountains, number"


def write_tar(path: Path, samples: int, size_px: tuple[int, int]) -> list[ImageBytes]:
    """A shard of JPEGs (quality 90) with the detail of photographs: smooth areas under fine noise."""
    rng = np.random.default_rng(0)
    payloads = []
    for _ in range(min(DISTINCT_IMAGES, samples)):
        areas = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize(size_px, Image.Resampling.BICUBIC)
        noisy = np.asarray(areas) + rng.normal(0, 6, (size_px[1], size_px[0], 3))
        buffer = io.BytesIO()
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        payloads.append(buffer.getvalue())
    with tarfile.open(path, "w") as archive:
        for number in range(samples):
            payload = payloads[number % len(payloads)]
            member = tarfile.TarInfo(f"{number:07}.jpg")
            member.size = len(payload)
            archive.addfile(member, io.BytesIO(payload))
    with tarfile.open(path) as archive:
        return [ImageBytes(str(path), member.offset_data, member.size) for member in archive]


def run_bare(module: torch.nn.Module, tokens: torch.Tensor, side_px: int, arguments: argparse.Namespace) -> None:
    """Both towers for all samples, on one ready batch over and over."""
    device, count = torch.device(arguments.device), arguments.batch_size
    values = torch.randn(count, 3, side_px, side_px, device=device)
    words = tokens[:1].repeat(count, 1).to(device)
    half = {"fp32": None, "fp16": torch.float16, "bf16": torch.bfloat16}[arguments.precision]
    with torch.inference_mode(), torch.autocast(device.type, half, enabled=half is not None):
        for _ in range(-(-arguments.samples // count)):
            module.encode_image(values)
            module.encode_text(words)
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Spent(NamedTuple):
    """Wall seconds, and CPU seconds of this process and of those that it has waited for."""

    wall_s: float
    cpu_s: float


def spent(run: Callable[[], object]) -> Spent:
    """What a call costs."""

    def cpu_s() -> float:
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in usage)

    began, cpu_before = time.perf_counter(), cpu_s()
    run()
    return Spent(time.perf_counter() - began, cpu_s() - cpu_before)


def setting(device: str) -> str:
    """The machine, its accelerator if that is used, and the version of torch."""
    gpu = f", {torch.cuda.get_device_name(device)}" if device.startswith("cuda") else ""
    return f"{machine()}{gpu}, torch {torch.__version__}"


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Run both variants in turns and compare."""
    open_clip = import_open_clip()
    module = build_module(open_clip.get_model_config(arguments.model))
    tokenizer = open_clip.get_tokenizer(arguments.model)
    network = Network(module, tokenizer, preprocessing(module, {}), f"{arguments.model} random")
    images = write_tar(folder / "shard.tar", arguments.samples, tuple(arguments.jpeg_px))
    texts = [f"{CAPTION} {number}" for number in range(arguments.samples)]
    encoder = Encoder(
        network,
        device=arguments.device,
        precision=arguments.precision,
        batch_size=arguments.batch_size,
        decode_workers=arguments.decode_workers,
    )
    tokens, turns = tokenizer(texts[:1]), []
    encoder.encode(images[: arguments.batch_size], texts[: arguments.batch_size], lambda line: None)
    for _ in range(arguments.repeats):
        bare = spent(lambda: run_bare(module, tokens, encoder.image_size_px, arguments))
        turns.append((bare, spent(lambda: encoder.encode(images, texts, lambda line: None))))
    is_cuda = arguments.device.startswith("cuda")
    return {
        "machine": setting(arguments.device),
        **vars(arguments),
        "jpeg_bytes": round(statistics.mean(image.length for image in images)),
        "bare_samples_per_s": arguments.samples / statistics.median(bare.wall_s for bare, _ in turns),
        "pipeline_samples_per_s": arguments.samples / statistics.median(whole.wall_s for _, whole in turns),
        "ratio": statistics.median(bare.wall_s / whole.wall_s for bare, whole in turns),
        "ratios": [round(bare.wall_s / whole.wall_s, 3) for bare, whole in turns],
        "cpu_ratio": statistics.median(bare.cpu_s / whole.cpu_s for bare, whole in turns),
        "cpu_ratios": [round(bare.cpu_s / whole.cpu_s, 3) for bare, whole in turns],
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,  # without the workers
        "peak_device_memory_bytes": torch.cuda.max_memory_allocated() if is_cuda else 0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ViT-B-32", help="name of an OpenCLIP model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--samples", type=int, help="a multiple of the batch size (96 on a CPU, 20,480 on CUDA)")
    parser.add_argument("--batch-size", type=int, help="samples per pass (32 on a CPU, 256 on CUDA)")
    parser.add_argument("--decode-workers", type=int, help="(1 on a CPU, cores - 1 on CUDA)")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--repeats", type=int, default=3, help="turns of both variants")
    parser.add_argument("--jpeg-px", type=int, nargs=2, default=(512, 384), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    arguments.device = available_device(arguments.device)
    is_cuda = arguments.device.startswith("cuda")
    arguments.batch_size = arguments.batch_size or (256 if is_cuda else 32)
    arguments.samples = arguments.samples or (20_480 if is_cuda else 96)
    if arguments.decode_workers is None:
        arguments.decode_workers = max(1, (os.cpu_count() or 1) - 1) if is_cuda else 1
    if arguments.samples % arguments.batch_size:
        parser.error("--samples must be a multiple of --batch-size: a padded last batch is work that the bare model lacks")
    with tempfile.TemporaryDirectory() as folder:
        results = measure(arguments, Path(folder))
    if arguments.json:
        print(json.dumps(results))
        return
    for name, value in results.items():
        print(f"{name:26} {value:,.3f}" if isinstance(value, float) else f"{name:26} {value}")


if __name__ == "__main__":
    main()
