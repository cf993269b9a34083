"""MetaCLIP's matches as columns; the rule itself is tested with algorithms/metaclip_text."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation_assets.algorithms.measurement import measure
from curation_assets.errors import RecipeError
from curation_assets.scores.metaclip_matches import SCORE, metaclip_matches
from curation_assets.spec import Score
from tests.conftest import SHARED


def found(entries: Path, *captions: str) -> list[list[int]]:
    made = metaclip_matches(np.array(captions, object), entries=str(entries))
    matches = made["metaclip_matches"].to_pylist()
    assert made["metaclip_match_count"].tolist() == [len(positions) for positions in matches]
    return matches


def test_a_json_list_and_a_list_of_lines_are_the_same(tmp_path: Path):
    for name, content in (("m.json", json.dumps(["dog", "hot dog", "犬"])), ("m.txt", "dog\nhot dog\n犬\n")):
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert found(tmp_path / name, "a hot dog dog", "犬", "", "Dog") == [[0, 1], [2], [], []]


def test_lists_are_stored_with_their_type_and_nulls(tmp_path: Path):
    path = tmp_path / "m.txt"
    path.write_text("dog\n")

    def compute(text: np.ndarray) -> dict[str, object]:
        return metaclip_matches(text, entries=str(path))

    measured = measure(Score(compute, SCORE.columns, SCORE.source, SCORE.version), {"text": pa.array(["a dog", None, "cat"])})
    assert measured["metaclip_matches"].type == pa.list_(pa.int32())
    assert measured["metaclip_matches"].to_pylist() == [[0], None, []]
    assert measured["metaclip_match_count"].to_pylist() == [1, None, 0]


def test_counts_of_the_reference(tmp_path: Path):
    """facebookresearch/MetaCLIP at f47f7841: how many of 18 texts each of 20 entries is in."""
    source = SHARED / "vectors" / "metaclip" / "expected.json"
    if not source.is_file():
        pytest.skip(f"no test vectors at {source}")
    expected = json.loads(source.read_text(encoding="utf-8"))
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(expected["metadata"]))
    matches = found(path, *(case["text"] for case in expected["matches"]))
    assert matches == [case["matched"] for case in expected["matches"]]
    counts = np.bincount(np.concatenate([np.array(one, int) for one in matches]), minlength=len(expected["metadata"]))
    assert counts.tolist() == expected["entry_counts"]


def test_the_list_must_be_given():
    with pytest.raises(RecipeError, match=r"score metaclip_matches needs the setting `entries`: MetaCLIP's metadata"):
        metaclip_matches(np.array(["a"], object))
