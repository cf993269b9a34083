"""What questions and removals cost: `which`, `diff` and `takedown` over published versions, and the ledger's bytes per row.

    python benchmarks/audit.py [--rows 1100000] [--shards 11] [--lookups 200] [--removed 200] [--keep FOLDER] [--json]

Draws a pool of DataComp's metadata, materializes one subset of nearly all rows and ten narrow ones, publishes them all, edits
the wide one and publishes it again: 12 versions with about 4,000,000 memberships at the default size. Then it asks.

`cold` lookups begin with nothing in memory that an earlier one has read: snapshots of tables are forgotten, and the system is
asked to drop every file of the lake from its cache. The byte scan of a takedown is timed by itself, since it reads everything.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from audit_pool import draw_pool, make_lake, subsets_of  # noqa: E402
from machine import machine, own_peak_memory_bytes  # noqa: E402

import resources.delta  # noqa: E402
from curation_assets.algorithms.identity import uid_hex  # noqa: E402
from curation_assets.audit.diff import diff  # noqa: E402
from curation_assets.audit.publish import publish  # noqa: E402
from curation_assets.audit.requests import read_request  # noqa: E402
from curation_assets.audit.takedown import take_down  # noqa: E402
from curation_assets.audit.takedown_steps import Outside  # noqa: E402
from curation_assets.audit.versions import versions  # noqa: E402
from curation_assets.audit.which import which  # noqa: E402
from curation_assets.holdings.project import Project  # noqa: E402

NARROW, WIDE, WIDER = 10, 0.92, 0.925


def published(folder: Path, rows: int, shards: int) -> Project:
    """The lake with its 12 versions."""
    draw_pool(folder / "pool", rows, shards)
    project = make_lake(folder, subsets_of(WIDE, NARROW))
    for plan in project.recipe.subsets:
        publish(project, plan.name)
    project = make_lake(folder, subsets_of(WIDER, NARROW))
    publish(project, "wide")
    return project


def forget(project: Project) -> None:
    """Drop what this process and the system remember of the lake's files, as far as the system lets us."""
    resources.delta._snapshots.clear()
    for path in Path(project.lake.root).rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def lookups(project: Project, count: int, *, is_cold: bool) -> dict[str, float]:
    """Milliseconds of `which` for random uids of the pool."""
    pool = project.lake.read("raw_pool", columns=["uid_hi", "uid_lo"])
    chosen = np.random.default_rng(1).integers(0, len(pool), count)
    uids = uid_hex(pool["uid_hi"].to_numpy()[chosen], pool["uid_lo"].to_numpy()[chosen])
    if not is_cold:
        which(project, uids[0])
    times = []
    for uid in uids:
        if is_cold:
            forget(project)
        started = time.perf_counter()
        which(project, uid)
        times.append((time.perf_counter() - started) * 1000)
    return {"lookups": count, "median_ms": float(np.median(times)), "p95_ms": float(np.percentile(times, 95))}


def bytes_per_row(project: Project, subset: str) -> float:
    """Of a ledger on disk, the newest files alone."""
    snapshot = project.lake.snapshot(f"decisions/{subset}")
    paths = [Path(snapshot.uri) / path for files in snapshot.files.values() for path in files]
    return sum(path.stat().st_size for path in paths) / sum(int(str(record["rows"])) for record in snapshot.records.values())


def diff_seconds(project: Project) -> dict[str, object]:
    """Of the two versions of nearly all rows."""
    started = time.perf_counter()
    found = diff(project, "wide@1", "wide@2")
    return {"diff_s": time.perf_counter() - started, "diff_rows": found.added + found.removed}


def takedown_seconds(project: Project, folder: Path, count: int) -> dict[str, object]:
    """Of random uids of the pool, with the proof's byte scan apart."""
    pool = project.lake.read("raw_pool", columns=["uid_hi", "uid_lo"])
    chosen = np.random.default_rng(2).choice(len(pool), count, replace=False)
    request = folder / "request.txt"
    request.write_text("\n".join(uid_hex(pool["uid_hi"].to_numpy()[chosen], pool["uid_lo"].to_numpy()[chosen])))
    lines: list[tuple[float, str]] = []

    def report(line: str) -> None:
        lines.append((time.perf_counter(), line))

    report("begun")
    asked = read_request(request, reason="benchmark", ticket="B-1", radius=-1)
    take_down(project, asked, Outside(lambda: [], lambda uids, needles: (0, "")), report)
    report("done")
    scan = next(at for at, (_, line) in enumerate(lines) if line.startswith("looked for"))
    scanned = lines[scan][0] - lines[scan - 1][0]
    whole = lines[-1][0] - lines[0][0]
    return {"removed": count, "takedown_s": whole - scanned, "byte_scan_s": scanned, "proof": lines[scan][1]}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_100_000)
    parser.add_argument("--shards", type=int, default=11)
    parser.add_argument("--lookups", type=int, default=200)
    parser.add_argument("--removed", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="make the lake in this folder, which is left as it is after the takedown")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        project = published(folder, asked.rows, asked.shards)
        found: dict[str, object] = {"machine": machine(), "pool_rows": asked.rows, "shards": asked.shards}
        rows = [int(str(version.manifest["rows"])) for version in versions(project)]
        found |= {"versions": len(rows), "memberships": sum(rows)}
        found["ledger_bytes_per_row"] = {name: round(bytes_per_row(project, name), 2) for name in ("wide", "narrow_00")}
        found["which_warm"] = lookups(project, asked.lookups, is_cold=False)
        found["which_cold"] = lookups(project, asked.lookups, is_cold=True)
        found |= diff_seconds(project)
        found |= takedown_seconds(project, folder, asked.removed)
        found["peak_bytes"] = own_peak_memory_bytes()
    if asked.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
