"""A new score is one file: asset, table, checks, filter and column come with it and nothing else is edited."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_project import SUBSETS

ROOT = Path(__file__).parents[2]
SCORE = '''"""Share of capital letters in a caption."""

import numpy as np
import pyarrow as pa

from curation_assets.spec import Score
from curation_assets.tables import Column


def shouting(text: np.ndarray) -> np.ndarray:
    """Share of the caption's characters that are capital letters.

    Args:
        text: str objects, shape (n,).

    Returns:
        float32, shape (n,), in [0, 1].

    Source:
        Made up for a test.
    """
    return np.array([sum(c.isupper() for c in caption) / max(1, len(caption)) for caption in text], np.float32)


SCORE = Score(
    compute=shouting,
    columns=(Column("shouting", pa.float32(), "share of capital letters", bounds=(0, 1)),),
    source="made up",
    version="1",
)
'''
PROGRAM = """
import json, sys
from pathlib import Path

import dagster as dg

from tests.small_project import make_project, run_apply

folder, pool, subsets = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
project = make_project(folder, pool, subsets)
with dg.DagsterInstance.ephemeral() as instance:
    applied = run_apply(project, instance)
    checks = [
        event.dagster_event.event_specific_data.check_name
        for run in instance.get_runs()
        for event in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if event.dagster_event.event_specific_data.asset_key.path == ["scores", "shouting"]
    ]
table = project.lake.read("scores/shouting")
kept = project.lake.read("subsets/quiet")
json.dump({"failed": applied.failed, "made": sorted(applied.materialized), "columns": table.column_names,
           "rows": len(table), "checks": sorted(checks), "kept": len(kept)}, sys.stdout)
"""


@pytest.mark.slow
def test_one_file_makes_an_asset_a_table_checks_and_a_filter(drawn_pool: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for package in ("curation_assets", "resources", "tests"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "curation_assets" / "scores" / "shouting.py").write_text(SCORE)
    subsets = {**SUBSETS, "quiet": {"keep": [{"shouting": {"max": 0.5}}]}}
    arguments = [str(tmp_path / "project"), str(drawn_pool / "pool" / "*.tar"), json.dumps(subsets)]
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=copy, capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = json.loads(ran.stdout)
    assert not found["failed"]
    assert {"scores/shouting[00000]", "scores/shouting[00001]"} <= set(found["made"])
    assert set(found["columns"]) == {"shard", "row", "shouting", "reason"}
    assert found["checks"] == ["alignment", "bounds"], "one shard speaks for both, which are one commit"
    assert 0 < found["kept"] <= found["rows"]
    status = subprocess.run(
        [sys.executable, "-c", "from curation_assets.cli import main; main()", "status", "--json", "--recipe",
         str(tmp_path / "project" / "curation.yaml")],
        cwd=copy, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert status.returncode == 0, status.stderr[-3000:]
    artifacts = {artifact["name"]: artifact for artifact in json.loads(status.stdout)["artifacts"]}
    assert artifacts["scores/shouting"]["made"] == 2
    assert artifacts["scores/shouting"]["out_of_date"] == 0
    assert "shouting" in artifacts["scores/shouting"]["columns"]
