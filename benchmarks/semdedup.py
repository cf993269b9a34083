"""Time and memory of SemDeDup's similarities in one large cluster, against the formula on all pairs at once.

    python benchmarks/semdedup.py [--rows 50000] [--dense-rows 20000] [--dimensions 512] [--json]

Each variant runs in a process of its own, so that peaks of memory do not mix. The dense form is one float32 product of all
rows with all rows and its maximum over the triangle, which is what the method's authors do; it is measured where it fits
and put beside the score at the same size. A tenth of the rows are near copies of others, as duplicates are.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from machine import machine, own_peak_memory_bytes  # noqa: E402

from curation_assets.scores.semdedup_similarity import semdedup_similarity, update_semdedup_similarity  # noqa: E402


def drawn(rows: int, dimensions: int) -> np.ndarray:
    """Unit vectors as they are stored, in float16 precision; float32. Made in blocks, so that they are the peak so far."""
    rng, copies = np.random.default_rng(0), rows // 10
    vectors = np.empty((rows, dimensions), np.float32)
    for start in range(0, rows, 256):
        block = rng.standard_normal((min(256, rows - start), dimensions), dtype=np.float32)
        if start >= rows - copies:
            block = vectors[start - rows + copies :][: len(block)] + 0.0005 * block
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        vectors[start : start + 256] = block.astype(np.float16)
    return vectors


def dense(vectors: np.ndarray) -> np.ndarray:
    products = vectors @ vectors.T
    for row, later in enumerate(products):
        later[row:] = 0
    return np.maximum(products.max(axis=1), 0)


def blocked(vectors: np.ndarray) -> np.ndarray:
    uid = np.arange(len(vectors))
    return semdedup_similarity(vectors, -uid.astype(np.float64), uid, uid)["semdedup_similarity"]


def updated(vectors: np.ndarray) -> np.ndarray:
    """The last hundredth of the rows is new; nothing is known of the others, which does not change the work."""
    uid, is_new = np.arange(len(vectors)), np.arange(len(vectors)) >= len(vectors) * 0.99
    former = {"semdedup_similarity": np.zeros(len(uid), np.float32), "semdedup_twin_hi": uid, "semdedup_twin_lo": uid}
    return update_semdedup_similarity(vectors, -uid.astype(np.float64), uid, uid, former, is_new)["semdedup_similarity"]


VARIANTS = {"dense": dense, "blocked": blocked, "updated": updated}


def measured(variant: str, rows: int, dimensions: int) -> dict[str, float]:
    """Wall seconds and bytes beyond the vectors, in a process of its own."""
    command = [sys.executable, __file__, "--child", variant, "--rows", str(rows), "--dimensions", str(dimensions)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def child(variant: str, rows: int, dimensions: int) -> dict[str, float]:
    vectors = drawn(rows, dimensions)
    VARIANTS[variant](vectors[:256])
    before, start = own_peak_memory_bytes(), time.perf_counter()
    found = VARIANTS[variant](vectors)
    return {
        "seconds": round(time.perf_counter() - start, 3),
        "extra_memory_bytes": own_peak_memory_bytes() - before,
        "mean": float(found.mean(dtype=np.float64)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dense-rows", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=VARIANTS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(child(asked.child, asked.rows, asked.dimensions)))
        return
    small, large = asked.dense_rows, asked.rows
    report: dict[str, object] = {"machine": machine(), "dimensions": asked.dimensions}
    for variant, rows in (("dense", small), ("blocked", small), ("blocked", large), ("updated", large)):
        report[f"{variant}_{rows}"] = measured(variant, rows, asked.dimensions)
    one, other = report[f"dense_{small}"], report[f"blocked_{small}"]
    report["memory_ratio"] = round(one["extra_memory_bytes"] / max(other["extra_memory_bytes"], 1), 1)
    report["time_ratio"] = round(other["seconds"] / one["seconds"], 2)
    if asked.json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name:16} {value}")


if __name__ == "__main__":
    main()
