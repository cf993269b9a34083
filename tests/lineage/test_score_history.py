"""Why a stored score differs between two sets of records, one case per reason."""

import pytest

from curation_assets.lineage.score_history import Recorded, why_changed
from curation_assets.nodes import Node
from curation_assets.tables import EMBEDDINGS, ENCODER, RAW_POOL, SUBSET

KEYS = {"raw_pool": RAW_POOL, "encoder": ENCODER, "embeddings": EMBEDDINGS, "score": SUBSET}
INPUTS = {"encoder": (), "raw_pool": (), "embeddings": (("raw_pool",), ("encoder",)), "score": (("raw_pool",), ("embeddings",))}
GRAPH = {(name,): Node((name,), "g", table, INPUTS[name], "1", {}) for name, table in KEYS.items()}


def recorded(*without: str, **versions: tuple[str, str, object]) -> Recorded:
    """Records with the data version, code version and parameter p of some artifacts; those of all others are equal."""
    records = {}
    for key, node in GRAPH.items():
        data, code, parameter = versions.get(key[0], ("d", "1", 0))
        part = "00000" if node.is_sharded else None
        records[key] = {} if key[0] in without else {
            part: {"data_version": data, "code_version": code, "parameters": {"p": parameter}, "inputs": {}}
        }  # fmt: skip
    return Recorded(GRAPH, records)


CHANGED = {"encoder": ("e", "1", 0), "embeddings": ("e", "1", 0), "score": ("e", "1", 0)}


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (recorded(), ""),
        (recorded(score=("e", "2", 0)), "score: code version 1 -> 2"),
        (recorded(score=("e", "1", 7)), "score: parameter p: 0 -> 7"),
        (recorded(**CHANGED), "because the encoder changed"),
        (recorded(**{**CHANGED, "embeddings": ("e", "1", 7)}), "because the encoder changed"),
        (recorded("embeddings", **CHANGED), "because the encoder changed"),
        (recorded(embeddings=("e", "1", 7), score=("e", "1", 0)), "embeddings: parameter p: 0 -> 7"),
        (recorded(raw_pool=("e", "1", 0), score=("e", "1", 0)), "because raw_pool changed"),
        (recorded("embeddings", "encoder"), ""),
    ],
)
def test_reason(new: Recorded, reason: str) -> None:
    assert why_changed(recorded(), new, ("score",), ("00000", "00000")) == reason
