"""A demo that is killed at any time and run again ends with the same tables as one that was left alone."""

import random
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from tests.e2e.processes import Project, Running, installed, new_project, started, stored_tables

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DEMO = ("demo", ".", "--shards", "2", "--samples", "90", "--seed", "5")
UNFINISHED = [status for status in dg.DagsterRunStatus if status not in dg._core.storage.dagster_run.FINISHED_STATUSES]
# What stands in a stage's middle: a line on standard error, or a file below the project's folder.
STAGES: dict[str, str | Path] = {
    "second tar half drawn": Path(".pool-unfinished/pool/00001.tar"),
    "rejected samples written, their raw pool not": Path("lake/rejected_samples/_delta_log/00000000000000000001.json"),
    "first shard ingested": "00000.tar:",
    "between two epochs": "epoch 1 of 2",
    "first shard embedded": "embeddings[00000]:",
    "decisions written, their subset not": Path("lake/decisions/aligned/_delta_log/00000000000000000001.json"),
    "last subset begun": "subsets/hard_half: 2 partitions",
}
