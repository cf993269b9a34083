"""A takedown that is killed at any time, and asked for again, ends with the same lake as one that was left alone."""

import random
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from curation_assets.audit.publish import publish
from curation_assets.audit.receipts import read_receipts
from curation_assets.holdings.project import Project as Curated
from tests.audit.takedown_project import content, copied, made, pool_rows, project_over
from tests.e2e.processes import Project, installed, started
from tests.small_project import make_project

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
WORDS = ("--reason", "asked", "--ticket", "T-1")
# 20 moments: the middle of four stages, by what it says last, and sixteen at random.
MARKS = (
    "removed from cluster_assignments",
    "removed from subsets/basic",
    "removed from rejected_samples",
    "removed from raw_pool",
)
_RANDOM = random.Random(17)
DELAYS = tuple(round(_RANDOM.uniform(0.5, 5), 2) for _ in range(16))


@pytest.fixture(scope="module")
def origin(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Curated:
    project = made(project_over(tmp_path_factory.mktemp("origin"), drawn_pool / "pool"))
    publish(project, "aligned")
    return project


def prepared(origin: Curated, folder: Path, pool: Path) -> tuple[Curated, Project]:
    """A copy of the lake with a request, as a project of this test and as one of processes."""
    copy = copied(origin, folder, pool)
    rows = pool_rows(copy)
    (folder / "request.txt").write_text("\n".join(rows[i]["uid"] for i in (3, 20, -5)))
    return copy, Project(folder)


@pytest.fixture(scope="module")
def undisturbed(origin: Curated, drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    copy, process = prepared(origin, tmp_path_factory.mktemp("undisturbed") / "project", drawn_pool / "pool")
    done = process.curate("takedown", "request.txt", *WORDS)
    assert done.returncode == 0, done.stderr
    return content(copy)


@pytest.mark.parametrize("moment", [*MARKS, *DELAYS])
def test_a_killed_takedown_ends_like_one_left_alone(
    moment: str | float, origin: Curated, undisturbed: Mapping[str, object], drawn_pool: Path, tmp_path: Path
):
    copy, process = prepared(origin, tmp_path / "project", drawn_pool / "pool")
    with started(installed("curate"), "takedown", "request.txt", *WORDS, project=process) as running:
        if isinstance(moment, str):
            running.wait_until(lambda: running.has_said(moment), moment)
        else:
            time.sleep(moment)
        assert running.kill() in (-signal.SIGKILL, 0)
    again = process.curate("takedown", "request.txt", *WORDS)
    assert again.returncode == 0, again.stderr
    assert content(copy) == undisturbed
    assert [receipt.body["ticket"] for receipt in read_receipts(Path(copy.lake.root))] == ["T-1"]
    left = make_project(tmp_path / "left", drawn_pool / "pool" / "*.tar", lake=copy.lake.root)
    assert {row["uid"] for row in pool_rows(left)}.isdisjoint((process.folder / "request.txt").read_text().split())
