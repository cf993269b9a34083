"""The benchmarks run and print what they promise; their times are not tested."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ("clip_score", "basic_filter", "semdedup", "hamming", "assignment")


def run(*arguments: str, program: str = "filters.py") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"benchmarks/{program}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_filters_prints_a_table_of_ratios() -> None:
    done = run(*NAMES, "--rows", "300", "--repeats", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    head, rule, *rows = (line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("|"))
    assert [cell.strip() for cell in head] == [
        *("what", "rows", "ours, rows/s", "ours, s", "other", "other, rows/s", "ratio", "goal", "peak MB, ours / other")
    ]
    assert set(rule) == {"---"}
    assert [len(row) for row in rows] == [len(head)] * len(NAMES)
    for row in rows:
        assert row[1].strip() == "300"
        assert float(row[6]) > 0
        assert re.fullmatch(r" [1-9][\d,]* / [1-9][\d,]* ", row[8])


@pytest.mark.slow
def test_filters_refuses_a_name_that_it_does_not_know() -> None:
    done = run("clip_scores")
    assert done.returncode == 2
    assert "unknown: ['clip_scores']; known: clip_score," in done.stderr


@pytest.mark.slow
def test_change_runs_everything_and_the_bare_functions() -> None:
    done = run("--rows", "600", "--shards", "3", "--dimensions", "32", "--repeats", "1", "--semdedup", program="change.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "full run over bare functions: " in done.stdout
    assert "scores/semdedup_similarity" in done.stdout


@pytest.mark.slow
def test_audit_publishes_asks_and_removes() -> None:
    done = run("--rows", "2000", "--shards", "2", "--lookups", "2", "--removed", "3", program="audit.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "versions: 12" in done.stdout
    assert re.search(r"proof: looked for 12 values in [\d,]+ files: 0 found", done.stdout)
