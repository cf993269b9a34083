"""The data version that rows give, against the ones that real steps have recorded."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.digest import json_digest, partition_version, table_digest
from tests.conftest import Curated

OF_WEIGHTS = {"encoder"}  # its data version is the digest of the weights


def test_every_stored_partition_has_the_version_that_its_rows_give(applied: Curated):
    project, _, _ = applied
    compared = 0
    for node in project.graph.values():
        snapshot = project.lake.snapshot(node.name)
        for shard, record in snapshot.records.items():
            found = partition_version(snapshot.read(shard), record["uid_digest"])
            assert (found == record["data_version"]) is (node.name not in OF_WEIGHTS), (node.name, shard)
            compared += 1
    assert compared >= 30


def test_rows_without_uids_are_bound_to_those_of_the_pool():
    rows = pa.table({"row": np.arange(3, dtype=np.int32), "x": [1.0, None, 2.0]})
    assert partition_version(rows, None) == table_digest(rows)
    assert partition_version(rows, "a") == json_digest([table_digest(rows), "a"]) != partition_version(rows, "b")
    with_shard = rows.add_column(0, "shard", pa.array(["s"] * 3))
    assert partition_version(with_shard, "a") == partition_version(rows, "a")
    named = rows.append_column("uid_hi", pa.array([1, 2, 3]))
    assert partition_version(named, "a") == table_digest(named), "they name their samples themselves"
