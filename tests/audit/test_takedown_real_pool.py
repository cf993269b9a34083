"""A takedown on the real pool: fifteen uids, and every copy of their pictures that the recorded truth knows."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.audit.takedown_project import made, pool_rows, project_over, taken, versions, with_takedowns_of

pytestmark = pytest.mark.slow


def test_fifteen_uids_leave_the_real_pool_with_their_copies(real_pool: Path, tmp_path: Path):
    project = made(project_over(tmp_path / "a", real_pool / "pool"))
    before = pool_rows(project)
    uids = set((real_pool / "takedown_uids.txt").read_text().split())
    (done,) = taken(project, *sorted(uids))
    assert done.is_finished
    assert done.counts["selected"] == len(uids & {row["uid"] for row in before})
    left = {row["uid"] for row in pool_rows(project)}
    gone = [row for row in before if row["uid"] not in left]
    assert uids.isdisjoint(left)
    truth = {row["key"]: row for row in pq.read_table(real_pool / "ground_truth.parquet").to_pylist()}
    named = [truth[row["key"]] for row in gone if row["uid"] in uids]
    groups = [{row[name] for row in named if row[name]} for name in _GROUPS]
    strangers = [
        row["key"]
        for row in gone
        if row["uid"] not in uids
        and not any(truth[row["key"]][name] in known for name, known in zip(_GROUPS, groups, strict=True))
    ]
    assert strangers == []
    exact = {row["image_sha256"] for row in gone}
    assert not [row for row in pool_rows(project) if row["image_sha256"] in exact]
    for path in Path(project.lake.root).rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [row["uid"] for row in gone if row["uid"].encode() in content or row["image_sha256"] in content], path
    made(project)
    scratch = made(with_takedowns_of(project_over(tmp_path / "b", real_pool / "pool"), project))
    assert versions(project) == versions(scratch)


_GROUPS = ("exact_group", "near_group", "same_figure_group")
