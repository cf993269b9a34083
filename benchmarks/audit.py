"""What questions and removals cost: `which`, `diff` and `takedown` over published versions, and the ledger's bytes per row.

    python benchmarks/audit.py [--rows 1100000] [--shards 11] [--lookups 200] [--removed 200] [--keep FOLDER] [--json]

Draws a pool of DataComp's metadata, materializes one subset of nearly all rows and ten narrow ones, publishes them all, edits
the wide one and publishes it again: 12 versions with about 4,000,000 memberships at the default size. Then it asks.

`cold` lookups begin with nothing in memory that an earlier one has read: snapshots of tables are forgotten, and the system is
asked to drop every file of the lake from its cache. The byte scan of a takedown is timed by itself, since it reads everything.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from audit_pool import draw_pool, make_lake, subsets_of  # noqa: E402

import resources.delta  # noqa: E402
from curation_assets.algorithms.identity import uid_hex  # noqa: E402
from curation_assets.audit.publish import publish  # noqa: E402
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


def timed(what: object) -> tuple[float, object]:
    """Seconds that a call takes, and its result."""
    started = time.perf_counter()
    found = what()
    return time.perf_counter() - started, found
