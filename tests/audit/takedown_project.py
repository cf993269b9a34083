"""A small project with everything that a takedown has to reach, and lakes copied from it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from curation_assets.algorithms.identity import uid_hex
from curation_assets.audit.requests import Request, parse_selectors
from curation_assets.audit.takedown import take_down
from curation_assets.audit.takedown_plan import Takedown
from curation_assets.audit.takedown_steps import Outside
from curation_assets.holdings.project import Project
from tests.small_project import SUBSETS, make_project, run_apply

# Near twins need perceptual hashes, and centroids that are fitted again follow the rows that are there.
TAKEN = {**SUBSETS, "distinct": {"keep": [{"phash_distance": {"min": 5}}]}}
SECTIONS = {"clusters": {"policy": "always"}}
NOWHERE = Outside(lambda: [], lambda uids, needles: (0, ""))


def project_over(folder: Path, pool: Path) -> Project:
    return make_project(folder, pool / "*.tar", TAKEN, **SECTIONS)


def made(project: Project) -> Project:
    """The same with everything up to date."""
    with dg.DagsterInstance.ephemeral() as instance:
        applied = run_apply(project, instance)
    assert (applied.failed, applied.held_back) == ({}, {})
    return project


def copied(project: Project, folder: Path, pool: Path) -> Project:
    """Another project over the same pool with a copy of the lake."""
    copy = project_over(folder, pool)
    shutil.copytree(project.lake.root, copy.lake.root)
    return copy


def request(*lines: str, ticket: str = "T-1", radius: int = 4) -> Request:
    return Request(parse_selectors("\n".join(lines), "test"), "asked", ticket, radius)


def taken(project: Project, *lines: str, **words: object) -> Sequence[Takedown]:
    return take_down(project, request(*lines, **words), NOWHERE, lambda line: None)


def pool_rows(project: Project) -> list[dict[str, object]]:
    """All rows of raw_pool, with the uid as hex digits."""
    table = project.lake.read("raw_pool")
    uids = uid_hex(table["uid_hi"].to_numpy(), table["uid_lo"].to_numpy())
    return [{**row, "uid": uid} for row, uid in zip(table.to_pylist(), uids, strict=True)]


def versions(project: Project) -> Mapping[tuple[str, str | None], object]:
    """Data version of every partition of the recipe's tables."""
    records = [(node.name, project.lake.records(node.name)) for node in project.graph.values()]
    return {(name, shard): record["data_version"] for name, of in records for shard, record in of.items()}


def content(project: Project) -> dict[str, object]:
    """Rows and data versions of every table of the lake but what is salted, and of its published versions."""
    root, found = Path(project.lake.root), {}
    for log in sorted(root.rglob("_delta_log")):
        name = log.parent.relative_to(root).as_posix()
        if name != "takedowns":
            records = project.lake.records(name)
            parts = {shard: (r["data_version"], r["rows"], r["inputs"]) for shard, r in records.items() if "data_version" in r}
            found[name] = (project.lake.read(name).to_pylist() if project.lake.shards(name) or None in records else [], parts)
    return found


def with_takedowns_of(project: Project, other: Project) -> Project:
    """The project with the tombstones of another lake, before anything is in it."""
    for name in ("takedowns", "_takedowns"):
        shutil.copytree(Path(other.lake.root) / name, Path(project.lake.root) / name)
    return project
