"""How fast pairs of near hashes are found, against counting bits of all pairs and against dictionaries of buckets.

    python benchmarks/hamming.py [--rows 1000000] [--small 20000] [--radius 3 10] [--json]

Hashes are random; a tenth of them lie within the radius of another one, so the right number of pairs is known from below.
Both others are what one writes first: numpy counts the bits of all pairs block by block, and a dictionary per 16 bits of
the hash holds lists of rows in plain Python (radius 3 and below, where one of four buckets must agree). They run on fewer
rows; the ratios compare times on the same rows. Peak memory is that of the process, hashes included.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from machine import machine, own_peak_memory_bytes  # noqa: E402  (the benchmark runs from a checkout, too)

from curation_assets.algorithms.hamming_join import hamming_pairs  # noqa: E402


def drawn(rows: int, radius: int) -> np.ndarray:
    """Random hashes; the first tenth are the last tenth with at most `radius` bits changed."""
    rng = np.random.default_rng(radius)
    hashes = rng.integers(-(2**63), 2**63 - 1, rows)
    planted = hashes[-(rows // 10) :].copy()
    for _ in range(radius):
        planted ^= np.int64(1) << rng.integers(0, 63, len(planted))
    hashes[: len(planted)] = planted
    return hashes


def joined(hashes: np.ndarray, radius: int) -> int:
    """Pairs that the product finds."""
    return sum(len(pairs.left) for pairs in hamming_pairs(hashes, radius=radius))


def all_pairs(hashes: np.ndarray, radius: int) -> int:
    """Pairs among all, bits counted by numpy, 64 rows at a time."""
    words, found = hashes.view(np.uint64), 0
    for start in range(0, len(words), 64):
        block = words[start : start + 64]
        near = np.bitwise_count(block[:, None] ^ words[start:]) <= radius
        found += int(np.count_nonzero(near)) - int(np.count_nonzero(np.tril(near[:, : len(block)])))
    return found


def buckets(hashes: np.ndarray, radius: int) -> int:
    """Pairs by a dictionary per quarter of the bits, in plain Python; complete up to radius 3."""
    seen: list[dict[int, list[int]]] = [defaultdict(list) for _ in range(4)]
    values, found = hashes.view(np.uint64).tolist(), 0
    for row, value in enumerate(values):
        met: set[int] = set()
        for table, shift in zip(seen, (0, 16, 32, 48), strict=True):
            bucket = table[(value >> shift) & 0xFFFF]
            met.update(other for other in bucket if (value ^ values[other]).bit_count() <= radius)
            bucket.append(row)
        found += len(met)
    return found


def timed(run: Callable[[np.ndarray, int], int], hashes: np.ndarray, radius: int) -> tuple[float, int]:
    """Seconds, and pairs found."""
    began = time.perf_counter()
    found = run(hashes, radius)
    return time.perf_counter() - began, found


def measure(rows: int, small: int, radius: int) -> dict[str, float | int | None]:
    """One radius: the product on all rows, and all three on few."""
    hashes, few = drawn(rows, radius), drawn(small, radius)
    seconds, pairs = timed(joined, hashes, radius)
    product, naive = timed(joined, few, radius), timed(all_pairs, few, radius)
    python = timed(buckets, few, radius) if radius <= 3 else None
    # The product beside the dictionary on all rows; counting all pairs would take hours there.
    whole = timed(buckets, hashes, radius) if radius <= 3 else None
    found = {found for _, found in (product, naive, *([python] if python else []))}
    if len(found) != 1 or pairs < rows // 10 or (whole and whole[1] != pairs):
        raise SystemExit(f"radius {radius}: pairs differ: {sorted(found)}, {pairs} of at least {rows // 10}, {whole}")
    return {
        "radius": radius,
        "seconds": seconds,
        "rows_per_s": rows / seconds,
        "pairs": pairs,
        "times_faster_than_dictionary": whole[0] / seconds if whole else None,
        "small_times_faster_than_all_pairs": naive[0] / product[0],
        "small_times_faster_than_dictionary": python[0] / product[0] if python else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=20_000, help="rows for the comparison with all pairs")
    parser.add_argument("--radius", type=int, nargs="+", default=[3])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    hashes = drawn(arguments.rows, 3)
    timed(joined, hashes, 3)
    peak = own_peak_memory_bytes()  # before the others, which take more
    results = [measure(arguments.rows, arguments.small, radius) for radius in arguments.radius]
    if arguments.json:
        print(json.dumps({"machine": machine(), **vars(arguments), "peak_memory_bytes": peak, "results": results}))
        return
    print(
        f"{machine()}\n{arguments.rows:,} hashes, {arguments.small:,} where small; peak memory {peak / 1e6:,.0f} MB (radius 3)"
    )
    for result in results:
        for name, value in result.items():
            print(f"{name:36} {value:,.2f}" if isinstance(value, float) else f"{name:36} {value}")


if __name__ == "__main__":
    main()
