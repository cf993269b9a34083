"""How fast the filters are, each as a ratio to the obvious other way, measured in the same run on the same data.

    python benchmarks/filters.py [names] [--rows N] [--repeats 3] [--full]

Prints one Markdown table. Every measurement runs in a process of its own, so that its peak of memory is its own (imports
and inputs included); both sides take turns, and the least wall time of each counts, which a busy machine disturbs least.
Goals are stated, never checked: the exit code says that it ran and that both sides gave the same answer. Files come from
the disk cache. The whole takes about ten minutes on 2 cores, `--full` (the sizes that the goals are about) longer.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import filter_pairs  # noqa: E402  (the benchmark runs from a checkout, too)
import filter_variants  # noqa: E402
from filter_variants import write_captions, write_scores  # noqa: E402
from machine import machine, own_peak_memory_bytes  # noqa: E402

VARIANTS = filter_variants.VARIANTS | filter_pairs.VARIANTS
Measured = dict[str, float | int | None]


@dataclass(frozen=True)
class Comparison:
    """`goal` is about time of the other over time of ours; sizes are rows. `is_same`: both must give one answer."""

    what: str
    ours: str
    other: str
    other_means: str
    goal: str
    rows: int
    full_rows: int
    write: Callable[[int, Path], None] | None = None
    is_same: bool = True


COMPARISONS = {
    "clip_score": Comparison(
        *("clip_score, best 30 %, every row decided", "cut_and_decide", "datacomp_baseline"),
        *("per file as DataComp's baselines.py (pyarrow in place of pandas)", ">= 10"),
        *(1_280_000, 12_800_000, write_scores),
    ),
    "clip_score_bare": Comparison(
        *("the same", "cut_and_decide", "bare_arrays", "np.partition of .npy arrays, no reasons", ">= 0.8"),
        *(1_280_000, 12_800_000, write_scores),
    ),
    "basic_filter": Comparison(
        *("basic_filter, scores and decision", "basic_filter", "language_model", "the language model in a loop", ">= 0.8"),
        *(200_000, 1_000_000, write_captions, False),
    ),
    "other_threshold": Comparison(
        *("basic_filter, another threshold", "other_threshold", "basic_filter", "everything computed again", ">= 50"),
        *(200_000, 1_000_000, write_captions),
    ),
    "semdedup": Comparison(
        *("SemDeDup, one cluster x 512", "blocked", "dense", "n x n matrix, triangle, maximum", ">= 5"),
        *(20_000, 20_000),
    ),
    "semdedup_update": Comparison(
        *("SemDeDup, 1 % of the rows new", "updated", "blocked", "all pairs again", "-", 20_000, 50_000, None, False),
    ),
    "hamming": Comparison(
        *("pairs of 64-bit hashes, radius 3, recall 100 %", "hash_pairs", "hash_buckets"),
        *("dictionary per 16 bits, plain Python", "<= 60 s", 1_000_000, 1_000_000),
    ),
    "hamming_probes": Comparison(
        *("the same", "hash_pairs", "hash_probes", "one dictionary, every mask looked up", "-", 5_000, 20_000),
    ),
    "kmeans": Comparison(
        *("k-means x 256, 20 iterations, assignment", "kmeans", "bare_kmeans", "bare faiss", ">= 0.95"),
        *(100_000, 200_000, None, False),
    ),
    "assignment": Comparison(
        *("assignment to centroids x 256 alone", "assignment", "bare_assignment", "bare faiss", ">= 0.95", 100_000, 200_000),
    ),
}
COLUMNS = ("what", "rows", "ours, rows/s", "ours, s", "other", "other, rows/s", "ratio", "goal", "peak MB, ours / other")


def child(variant: str, rows: int, folder: Path) -> Measured:
    """One measurement, in a fresh process."""
    work = VARIANTS[variant](rows, folder)
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    seconds = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return {**seconds, "peak_memory_bytes": own_peak_memory_bytes(), "answer": answer}


def measured(variant: str, rows: int, folder: Path) -> Measured:
    command = [sys.executable, __file__, "--child", variant, "--rows", str(rows), "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{variant} with {rows:,} rows failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compared(comparison: Comparison, rows: int, repeats: int) -> dict[str, Measured]:
    """The fastest of several turns of both sides; the largest peak."""
    turns: dict[str, list[Measured]] = {comparison.ours: [], comparison.other: []}
    with tempfile.TemporaryDirectory() as folder:
        if comparison.write:
            comparison.write(rows, Path(folder))
        for _ in range(repeats):
            for variant, found in turns.items():
                found.append(measured(variant, rows, Path(folder)))
    answers = {found["answer"] for side in turns.values() for found in side}
    if comparison.is_same and len(answers) != 1:
        raise SystemExit(f"{comparison.what}: the two sides differ: {turns}")
    return {
        variant: {name: max(turn[name] for turn in found) if "peak" in name else min(turn[name] for turn in found)
                  for name in ("wall_s", "cpu_s", "peak_memory_bytes")}
        for variant, found in turns.items()
    }  # fmt: skip


def table_row(comparison: Comparison, rows: int, found: dict[str, Measured]) -> str:
    ours, other = found[comparison.ours], found[comparison.other]
    cells = (
        *(comparison.what, f"{rows:,}", f"{rows / ours['wall_s']:,.0f}", f"{ours['wall_s']:.3g}", comparison.other_means),
        *(f"{rows / other['wall_s']:,.0f}", f"{other['wall_s'] / ours['wall_s']:.3g}", comparison.goal),
        f"{ours['peak_memory_bytes'] / 1e6:,.0f} / {other['peak_memory_bytes'] / 1e6:,.0f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="names", help=f"of {', '.join(COMPARISONS)}; all if none is given")
    parser.add_argument("--rows", type=int, help="rows of every comparison, instead of its own size")
    parser.add_argument("--repeats", type=int, default=3, help="turns of both sides (default 3)")
    parser.add_argument("--full", action="store_true", help="the sizes that the goals are about")
    parser.add_argument("--child", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(child(asked.child, asked.rows, asked.folder)))
        return
    unknown = set(asked.names) - set(COMPARISONS)
    if unknown:
        parser.error(f"unknown: {sorted(unknown)}; known: {', '.join(COMPARISONS)}")
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}; {time.strftime('%Y-%m-%d')}; least of {asked.repeats} turns\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for name in asked.names or COMPARISONS:
        comparison = COMPARISONS[name]
        rows = asked.rows or (comparison.full_rows if asked.full else comparison.rows)
        print(table_row(comparison, rows, compared(comparison, rows, asked.repeats)), flush=True)


if __name__ == "__main__":
    main()
