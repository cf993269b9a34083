"""What a change costs: a full run, edits of a threshold, 1 % more rows, nothing at all; and the full run's bare functions.

    python benchmarks/change.py [--rows 1000000] [--shards 50] [--dimensions 512] [--repeats 3]
        [--clusters light|default] [--semdedup] [--json]

The pool is drawn (change_pool.py): the tars are placeholders, captions, image facts and embeddings come from seeds, and the
seconds that drawing them takes are left out of all results. All else is real: `apply`, a Dagster instance and Delta tables
on disk. Each step runs in a fresh process, as the command line does, and its seconds begin after the imports. On a busy
machine CPU seconds (all threads) are steadier than wall seconds. The smallest of all repeats counts, of each by itself.
`bare` computes the same numbers on arrays in memory (change_bare.py), without Dagster, Delta, digests and checks; both must
keep the same rows.

A real full run also reads and embeds images, for hours: every ratio to it is smaller there, and so is the overhead.
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import psutil  # noqa: E402  (the benchmark runs from a checkout, too)
import yaml  # noqa: E402
from change_bare import Bare  # noqa: E402
from change_pool import DrawnClip, drawing, drawn_shard, write_tar  # noqa: E402
from machine import machine  # noqa: E402

from curation_assets.assets import pool  # noqa: E402
from curation_assets.assets.apply import Applied, apply  # noqa: E402
from curation_assets.assets.build import build_definitions  # noqa: E402
from curation_assets.assets.instance import project_instance  # noqa: E402
from curation_assets.holdings.project import Project, open_project  # noqa: E402
from curation_assets.lineage.freshness import partition_name  # noqa: E402
from curation_assets.recipe import load_recipe  # noqa: E402

# light: seconds of k-means on 2 cores, 16,384 samples; default: the recipe's own defaults, 1,000 clusters and 256,000 samples.
CLUSTERS = {"light": {"k": 256, "samples_per_centroid": 64, "iterations": 10}, "default": {}}
ALIGNED, HARD = 0.3, 0.5  # DataComp's share by CLIP score; half of what is left
STEPS = {
    "full": "full run",
    "last": "threshold edit of the last subset",
    "middle": "threshold edit with a subset behind it",
    "grow": "+1% rows: one more shard",
    "nothing": "no-op",
    "bare": "bare functions of the full run",
}
GOALS = {"last": "0.02", "middle": "0.02", "grow": "0.10"}
SAMPLING_INTERVAL_S = 0.02
Found = dict[str, object]


def write_recipe(arguments: argparse.Namespace, aligned: float, hard: float) -> None:
    """The recipe with its two fractions."""
    subsets = {
        "basic": {"keep": ["english_caption", "caption_length", {"image_size": {"min_side_px": 200}}]},
        "aligned": {"from": "basic", "keep": [{"clip_score": {"top_fraction": aligned}}]},
        "hard_half": {"from": "aligned", "keep": [{"prototype_distance": {"top_fraction": hard}}]},
    }
    if arguments.semdedup:
        subsets["distinct"] = {"from": "basic", "keep": [{"semdedup_similarity": {"max": 0.6}}]}
    content = {
        "pool": {"path": "pool/*.tar"},
        "encoder": {"model": "drawn", "pretrained": "drawn"},
        "clusters": CLUSTERS[arguments.clusters],
        "subsets": subsets,
    }
    (arguments.folder / "curation.yaml").write_text(yaml.safe_dump(content))


def change(step: str, arguments: argparse.Namespace) -> None:
    """What a person does before a step."""
    rows, shards = arguments.rows, arguments.shards
    if step == "full":
        for number in range(shards):
            before, after = rows * number // shards, rows * (number + 1) // shards
            write_tar(arguments.folder / "pool" / f"{number:05}.tar", after - before)
        write_recipe(arguments, ALIGNED, HARD)
    elif step == "last":
        write_recipe(arguments, ALIGNED, HARD - 0.01)
    elif step == "middle":
        write_recipe(arguments, ALIGNED + 0.01, HARD - 0.01)
    elif step == "grow":
        write_tar(arguments.folder / "pool" / f"{shards:05}.tar", rows // 100)
    elif step == "bare":
        write_recipe(arguments, ALIGNED, HARD)
        (arguments.folder / "pool" / f"{shards:05}.tar").unlink(missing_ok=True)


def run_apply(arguments: argparse.Namespace) -> Found:
    """`curate apply` in this process, and what it made."""
    pool.read_shard = drawn_shard
    spent = Spent()
    project, instance = open_project(load_recipe(arguments.folder / "curation.yaml")), project_instance(arguments.folder)
    definitions = build_definitions(project.recipe, {"clip": DrawnClip(arguments.dimensions)})
    applied = apply(project, definitions, instance, lambda line: print(line, file=sys.stderr))
    found: Found = spent.so_far()
    if applied.failed or applied.held_back:
        raise SystemExit(f"the apply failed: {applied.failed} {applied.held_back}")
    if not applied.materialized:
        again = Spent()
        apply(project, definitions, instance, print)
        found["warm_s"] = again.so_far()["wall_s"]
    return {**found, **made(project, applied)}


def run_bare(arguments: argparse.Namespace) -> Found:
    """The bare functions in this process."""
    recipe = load_recipe(arguments.folder / "curation.yaml")
    spent, bare = Spent(), Bare(recipe)
    shards = bare.run(sorted((arguments.folder / "pool").glob("*.tar")), arguments.dimensions)
    kept = {plan.name: sum(len(shard.kept[plan.name]) for shard in shards) for plan in recipe.subsets}
    return {**spent.so_far(), "seconds": bare.seconds, "kept": kept, "partitions": 0, "rows": 0, "pairs": 0}


def made(project: Project, applied: Applied) -> Found:
    """What an apply made, by the lake's records: partitions, rows, pairs of vectors compared, seconds by step, rows kept."""
    rows, partitions, pairs, seconds = 0, 0, 0, {}
    k = int(str(project.records(("centroids",))[None]["rows"]))
    for node in project.graph.values():
        for shard, record in project.records(node.key).items():
            if partition_name(node.name, shard) not in applied.materialized:
                continue
            count, step = int(record.get("rows_made", record["rows"])), "/".join(node.made_with or node.key)
            rows, partitions = rows + count, partitions + 1
            seconds[step] = seconds.get(step, 0.0) + float(record["seconds"])
            pairs += int(record.get("pairs", 0)) + (count * k if node.name == "cluster_assignments" else 0)
            if node.name == "centroids":  # in every iteration, and once more to count the members
                fitted = sum(project.lake.read("centroids")["training_samples"].to_pylist())
                pairs += fitted * k * (project.recipe.file.clusters.iterations + 1)
    for step, drawn_s in drawing.by_artifact.items():
        seconds[step] = seconds.get(step, 0.0) - drawn_s
    subsets = [node for node in project.graph.values() if node.key[0] == "subsets"]
    kept = {node.key[1]: sum(int(r["rows"]) for r in project.records(node.key).values()) for node in subsets}
    return {"partitions": partitions, "rows": rows, "pairs": pairs, "seconds": seconds, "kept": kept}


class Spent:
    """Wall and CPU seconds of this process since it was made, without those of drawing the pool."""

    def __init__(self) -> None:
        self._began = self._now()

    def so_far(self) -> dict[str, float]:
        wall_s, cpu_s = (now - began for now, began in zip(self._now(), self._began, strict=True))
        return {"wall_s": wall_s, "cpu_s": cpu_s}

    def _now(self) -> tuple[float, float]:
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        cpu_s = sum(each.ru_utime + each.ru_stime for each in usage)
        return time.perf_counter() - drawing.wall_s, cpu_s - drawing.cpu_s


def in_fresh_process(step: str, folder: Path) -> Found:
    """Run a step in a process of its own, watched from here: what it found, its whole wall seconds, and peak memory."""
    command = [sys.executable, *sys.argv, "--only", step, "--folder", str(folder)]
    environment = {**os.environ, "DAGSTER_HOME": str(folder / ".dagster")}
    with (folder / f"{step}.log").open("w") as log, (folder / f"{step}.json").open("w") as result:
        began, peak = time.perf_counter(), 0
        with subprocess.Popen(command, stdout=result, stderr=log, env=environment) as process:
            watched = psutil.Process(process.pid)
            while process.poll() is None:
                with contextlib.suppress(psutil.Error):
                    peak = max(peak, sum(each.memory_info().rss for each in (watched, *watched.children(recursive=True))))
                time.sleep(SAMPLING_INTERVAL_S)
        process_s = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{step} failed:\n{(folder / f'{step}.log').read_text()[-4000:]}")
    found = json.loads((folder / f"{step}.json").read_text().splitlines()[-1])
    return {**found, "process_s": process_s, "peak_bytes": peak}


def measure(arguments: argparse.Namespace) -> dict[str, Found]:
    """Every step, as often as wanted, each time in a new lake; the smallest seconds of each count."""
    best: dict[str, Found] = {}
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            for step in STEPS:
                found = in_fresh_process(step, Path(folder))
                print(f"{step:8}{found['wall_s']:9.2f} s{found['cpu_s']:9.2f} CPU s", file=sys.stderr)
                earlier = best.get(step, found)
                smallest = {name: min(found[name], earlier[name]) for name in ("wall_s", "cpu_s", "process_s")}
                best[step] = {**(found if found["wall_s"] <= earlier["wall_s"] else earlier), **smallest}
            if best["bare"]["kept"] != best["full"]["kept"]:
                raise SystemExit(f"apply kept {best['full']['kept']}, the bare functions {best['bare']['kept']}")
    return best


def print_report(best: dict[str, Found], arguments: argparse.Namespace) -> None:
    """The table, and where the seconds of the full run went."""
    print(f"{machine()}\n{arguments.rows:,} rows x {arguments.dimensions} in {arguments.shards} shards, ", end="")
    print(f"clusters {CLUSTERS[arguments.clusters] or 'by default'}, smallest of {arguments.repeats}\n")
    print(f"{'':40}{'wall s':>8}{'ratio':>7}{'CPU s':>8}{'ratio':>7}{'goal':>6}", end="")
    print(f"{'partitions':>11}{'rows made':>11}{'pairs':>16}{'peak memory':>13}")
    full, bare, nothing = best["full"], best["bare"], best["nothing"]
    for step, meaning in STEPS.items():
        found = best[step]
        times = "".join(f"{found[name]:8.2f}{found[name] / full[name]:7.3f}" for name in ("wall_s", "cpu_s"))
        print(f"{meaning:40}{times}{GOALS.get(step, ''):>6}{found['partitions']:11,}{found['rows']:11,}", end="")
        print(f"{found['pairs']:16,}{found['peak_bytes'] / 2**30:9.2f} GiB")
    overhead = [full[name] / bare[name] for name in ("wall_s", "cpu_s")]
    print(f"\nfull run over bare functions: {overhead[0]:.2f} in wall, {overhead[1]:.2f} in CPU seconds; goal 1.10")
    print(f"no-op: {nothing['wall_s']:.2f} s after the imports, {nothing['process_s']:.2f} s with them, ", end="")
    print(f"{nothing['warm_s']:.2f} s once more in the same process; goal 1 s")
    print(f"\n{'wall seconds of the fastest full run':40}{'apply':>8}{'bare':>8}")
    for step, seconds in full["seconds"].items():
        print(f"{step:40}{seconds:8.2f}{bare['seconds'].get(step, 0.0):8.2f}")
    print(f"{'all else: commits, events, planning':40}{full['wall_s'] - sum(full['seconds'].values()):8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=50)
    parser.add_argument("--dimensions", type=int, default=512, help="length of an embedding")
    parser.add_argument("--clusters", choices=CLUSTERS, default="light", help="k-means: see the head of the file")
    parser.add_argument("--semdedup", action="store_true", help="one more subset, by a score that compares rows in pairs")
    parser.add_argument("--repeats", type=int, default=3, help="times that everything is run, each in a new lake")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, help="where lakes are made; with --only, the project itself")
    parser.add_argument("--only", choices=STEPS, help="make the change and run one step here, such as under a profiler")
    arguments = parser.parse_args()
    if arguments.only:
        change(arguments.only, arguments)
        print(json.dumps(run_bare(arguments) if arguments.only == "bare" else run_apply(arguments)))
        return
    best = measure(arguments)
    if arguments.json:
        print(json.dumps({"machine": machine(), "arguments": sys.argv[1:], "steps": best}))
    else:
        print_report(best, arguments)


if __name__ == "__main__":
    main()
