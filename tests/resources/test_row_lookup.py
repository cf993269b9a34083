"""Looking for a uid in row groups that can hold it, against reading everything."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation_assets.errors import LakeError
from resources.delta import Lake, Part
from resources.row_lookup import find_uid, holds_row, uid_range

SCHEMA = pa.schema([pa.field(n, pa.int64(), nullable=False) for n in ("uid_hi", "uid_lo", "number")])
N = 100_000  # four row groups


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A table sorted by unsigned uid, some uids with the same high half and some twice, and an unsorted one with shards."""
    rng = np.random.default_rng(5)
    hi, lo = rng.integers(-(2**63), 2**63 - 1, (2, N))
    hi[1:40], hi[50], lo[50] = hi[0], hi[60], lo[60]
    order = np.lexsort((lo.view(np.uint64), hi.view(np.uint64)))
    found = Lake(root=str(tmp_path_factory.mktemp("lake")))
    rows = pa.table([hi[order], lo[order], np.arange(N)], schema=SCHEMA)
    found.write("sorted", [Part(None, rows, {"data_version": "1"})])
    shard = pa.table({"shard": ["x"] * 3, "row": pa.array([0, 4, 9], pa.int32()), "uid_hi": [7, -7, 7], "uid_lo": [1, 2, 3]})
    found.write("sharded", [Part("x", shard, {"data_version": "1"})])
    return found


def test_every_uid_is_found_at_all_its_rows(lake: Lake) -> None:
    rows, snapshot = lake.read("sorted"), lake.snapshot("sorted")
    hi, lo = rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy()
    shared = np.flatnonzero(np.isin(hi, [h for h, n in zip(*np.unique(hi, return_counts=True), strict=True) if n > 1]))
    assert len(shared) >= 41
    for at in [*shared.tolist(), 0, N - 1, *range(0, N, 9973), 32_767, 32_768]:
        found = find_uid(snapshot, None, (int(hi[at]), int(lo[at])), ["number"])
        assert found["number"].to_pylist() == np.flatnonzero((hi == hi[at]) & (lo == lo[at])).tolist()
        assert find_uid(snapshot, None, (int(hi[at]), int(lo[at]) ^ 1), ["number"]).num_rows == 0


def test_a_uid_that_is_nowhere_is_an_empty_table_of_the_columns(lake: Lake) -> None:
    found = find_uid(lake.snapshot("sorted"), None, (1, 1), ["number", "uid_hi"])
    assert (found.num_rows, found.column_names) == (0, ["number", "uid_hi"])
    assert find_uid(lake.snapshot("sharded"), "other", (7, 1), ["row"]).num_rows == 0


def test_shards_that_are_not_sorted_are_searched_too(lake: Lake) -> None:
    snapshot = lake.snapshot("sharded")
    assert find_uid(snapshot, "x", (7, 3), ["row"])["row"].to_pylist() == [9]
    assert find_uid(snapshot, "x", (-7, 2), ["row", "uid_lo"]).to_pylist() == [{"row": 4, "uid_lo": 2}]


def test_ranges_are_those_of_the_rows(lake: Lake) -> None:
    hi = lake.read("sorted")["uid_hi"].to_numpy()
    assert uid_range(lake.snapshot("sorted"), None) == (hi.min(), hi.max())
    assert uid_range(lake.snapshot("sharded"), "x") == (-7, 7)
    assert uid_range(lake.snapshot("sharded"), "other") is None


def test_a_file_of_the_same_name_with_other_rows_is_read_anew(tmp_path: Path) -> None:
    for number in (1, 2):
        lake = Lake(root=str(tmp_path / str(number)))
        lake.write("t", [Part(None, pa.table([[number], [0], [number]], schema=SCHEMA), {"data_version": "1"})])
    first, second = (Lake(root=str(tmp_path / str(number))).snapshot("t") for number in (1, 2))
    path = Path(first.uri) / first.files[None][0]
    assert find_uid(first, None, (1, 0), ["number"]).num_rows == 1
    path.unlink()
    path.write_bytes((Path(second.uri) / second.files[None][0]).read_bytes())
    assert find_uid(first, None, (2, 0), ["number"])["number"].to_pylist() == [2]


def test_a_row_is_held_or_not(lake: Lake) -> None:
    snapshot = lake.snapshot("sharded")
    assert [row for row in range(-1, 12) if holds_row(snapshot, "x", row)] == [0, 4, 9]
    assert not holds_row(snapshot, "other", 0)


@pytest.mark.parametrize("damage", ["gone", "cut", "rows"])
def test_a_damaged_file_is_one_error_that_names_it(tmp_path: Path, damage: str) -> None:
    lake = Lake(root=str(tmp_path))
    rows = pa.table({"shard": ["x"] * 3, "row": pa.array([0, 4, 9], pa.int32()), "uid_hi": [7, -7, 7], "uid_lo": [1, 2, 3]})
    lake.write("sharded", [Part("x", rows, {"data_version": "1"})])
    snapshot = lake.snapshot("sharded")
    path = Path(snapshot.uri) / snapshot.files["x"][0]
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[:40] if damage == "cut" else b"\xff" * (len(content) // 3) + content[len(content) // 3 :])
    with pytest.raises(LakeError, match=f"cannot read {path}: .*; curate audit says what else is wrong"):
        find_uid(snapshot, "x", (7, 1), ["row"])
    if damage != "rows":
        with pytest.raises(LakeError, match="cannot read"):
            uid_range(snapshot, "x")
