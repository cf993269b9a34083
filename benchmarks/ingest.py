"""How fast a tar shard is read into facts, against tarfile reading the same bytes and doing nothing with them.

    python benchmarks/ingest.py [--shard PATH ...] [--repeats 7]

Without --shard it writes one of 5,000 samples (JPEG of about 20 kB, txt, json) to a temporary folder and reads that.
Variants take turns within each repeat, so that a busy machine slows all of them; times are CPU seconds of one thread.
Peak memory is that of a fresh process per variant.
"""

import argparse
import hashlib
import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from machine import machine, own_peak_memory_bytes  # noqa: E402  (the benchmark runs from a checkout, too)

from resources.webdataset import read_shard  # noqa: E402

SAMPLES = 5_000
DISTINCT_IMAGES = 250
MAX_PIXELS = 89_478_485


def read_with_tarfile(path: Path) -> None:
    """The baseline: every member's bytes, nothing else."""
    with tarfile.open(path) as archive:
        for member in archive:
            archive.extractfile(member).read()


def read_with_tarfile_and_pillow(path: Path) -> None:
    """What ingest does at least, written plainly: sha256 and image header through Pillow, json parsed."""
    with tarfile.open(path) as archive:
        for member in archive:
            payload = archive.extractfile(member).read()
            if member.name.endswith(".json"):
                json.loads(payload)
            elif not member.name.endswith(".txt"):
                hashlib.sha256(payload).digest()
                try:
                    Image.open(io.BytesIO(payload)).close()
                except (OSError, Image.DecompressionBombError):
                    continue


def read_into_facts(path: Path) -> None:
    """This project's reader: grouping, sha256, image header, caption, json, uid, canonical json of the rest."""
    read_shard(path, max_image_pixels=MAX_PIXELS).check_accounts()


VARIANTS: dict[str, Callable[[Path], None]] = {
    "tarfile, bytes only": read_with_tarfile,
    "tarfile + sha256 + Pillow + json": read_with_tarfile_and_pillow,
    "read_shard": read_into_facts,
}


def write_shard(path: Path) -> None:
    """A shard of seeded gradients with noise, in the layout of img2dataset."""
    generator = np.random.default_rng(0)
    ramp = np.linspace(0, 160, 256)
    images = []
    for _ in range(DISTINCT_IMAGES):
        slopes = generator.uniform(-0.5, 0.5, (2, 3))
        smooth = 128 + ramp[:, None, None] * slopes[0] + ramp[None, :, None] * slopes[1]
        noisy = smooth + generator.normal(0, 11, (256, 256, 3))
        buffer = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=88)
        images.append(buffer.getvalue())
    with tarfile.open(path, "w") as archive:
        for n in range(SAMPLES):
            key, image, caption = f"{n:09d}", images[n % DISTINCT_IMAGES], f"synthetic picture number {n} with noise"
            fields = {"uid": f"{n:032x}", "url": f"https://example.org/{n}.jpg", "caption": caption, "key": key}
            fields |= {"status": "success", "error_message": None, "width": 256, "height": 256, "exif": "{}"}
            fields |= {"original_width": 256, "original_height": 256, "sha256": hashlib.sha256(image).hexdigest()}
            for name, payload in (("jpg", image), ("txt", caption.encode()), ("json", json.dumps(fields).encode())):
                member = tarfile.TarInfo(f"{key}.{name}")
                member.size = len(payload)
                archive.addfile(member, io.BytesIO(payload))


def cpu_seconds(paths: list[Path], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each variant over all shards, per repeat; variants alternate, one unmeasured round first."""
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for repeat in range(repeats + 1):
        for name, read in VARIANTS.items():
            start = time.process_time()
            for path in paths:
                read(path)
            if repeat:
                seconds[name].append(time.process_time() - start)
    return seconds


def peak_memory_bytes(variant: str, paths: list[Path]) -> int:
    """Peak of a fresh process that reads the shards with one variant; with no shards, that of the imports."""
    command = [sys.executable, __file__, "--only", variant, "--shard", *map(str, paths)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def report(paths: list[Path], repeats: int) -> None:
    """Prints the table."""
    samples = sum(read_shard(path, max_image_pixels=MAX_PIXELS).samples_seen for path in paths)
    shard_bytes = sum(path.stat().st_size for path in paths)
    print(machine())
    print(f"{len(paths)} shard(s), {samples:,} samples, {shard_bytes / 1e6:.1f} MB, median of {repeats} repeats\n")
    seconds = cpu_seconds(paths, repeats)
    baseline = seconds["tarfile, bytes only"]
    print(f"{'variant':34}{'samples/s/core':>15}{'us/sample':>11}{'MB/s':>8}{'x tarfile':>11}{'peak memory':>13}")
    for name, times in seconds.items():
        median_s = statistics.median(times)
        ratio = statistics.median(base / own for base, own in zip(baseline, times, strict=True))
        peak = f"{peak_memory_bytes(name, paths) / 1e6:.0f} MB"
        speed = f"{samples / median_s:15,.0f}{median_s / samples * 1e6:11.1f}{shard_bytes / median_s / 1e6:8.0f}"
        print(f"{name:34}{speed}{ratio:11.2f}{peak:>13}")
    imports = f"{peak_memory_bytes('read_shard', []) / 1e6:.0f} MB"
    print(f"{'(imports alone)':79}{imports:>13}")


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shard", type=Path, nargs="*", help="tar shards to read instead of a synthetic one")
    parser.add_argument("--repeats", type=int, default=7, help="measured rounds (default 7)")
    parser.add_argument("--only", choices=VARIANTS, help="read once with one variant and print its peak memory in bytes")
    arguments = parser.parse_args()
    if arguments.only:
        for path in arguments.shard:
            VARIANTS[arguments.only](path)
        print(own_peak_memory_bytes())
    elif arguments.shard:
        report(arguments.shard, arguments.repeats)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "00000.tar")
            write_shard(path)
            report([path], arguments.repeats)


if __name__ == "__main__":
    main()
