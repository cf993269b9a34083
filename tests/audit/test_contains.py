"""contains: overlaps of subsets and versions against Python's sets, and what is decided without reading."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation_assets.audit.contains import containment_matrix, contains
from curation_assets.errors import ArgumentError, LakeError
from curation_assets.holdings.project import Project, open_project
from curation_assets.recipe import check_recipe
from resources.delta import Part
from tests.asked_project import ASKED, raw
from tests.small_project import make_project

pytestmark = pytest.mark.slow  # makes lakes

UIDS = {
    "a": {"x": [1, 2, 3], "y": [3, 4]},  # 3 is in both shards
    "b": {"x": [1, 2, 3, 4], "y": []},
    "c": {"x": [-5, -6], "y": []},
    "d": {"x": [], "y": []},
    "e": {"x": [1, 2, 3], "y": [3, 4]},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Subsets with made-up uids, two of them equal, one empty."""
    folder = tmp_path_factory.mktemp("sets")
    project = make_project(folder, folder / "*.tar", {name: {"keep": ["english_caption"]} for name in [*UIDS, "unmade"]})
    schema = project.graph["subsets", "a"].table.schema
    for name, shards in UIDS.items():
        parts = []
        for shard, numbers in shards.items():
            hi = np.array(numbers, np.int64)
            columns = [pa.repeat(shard, len(hi)), pa.array(np.arange(len(hi)), pa.int32()), pa.array(hi), pa.array(hi * 0)]
            parts.append(Part(shard, pa.table(columns, schema=schema), {"data_version": f"{name} {shard}"}))
        project.lake.write(f"subsets/{name}", parts)
    return project


def of_sets(a: set[object], b: set[object]) -> tuple[int, int, int, bool, bool, float]:
    return len(a & b), len(a - b), len(b - a), a <= b, b <= a, len(a & b) / len(a | b) if a | b else 1.0


@pytest.mark.parametrize("a", list(UIDS))
@pytest.mark.parametrize("b", list(UIDS))
def test_overlaps_are_those_of_sets(written: Project, a: str, b: str) -> None:
    found = contains(written, a, b)
    sets = [{uid for numbers in UIDS[name].values() for uid in numbers} for name in (a, b)]
    numbers = (found.both, found.only_a, found.only_b, found.a_in_b, found.b_in_a, found.jaccard)
    assert numbers == of_sets(*sets)
    assert (found.rows_a, found.rows_b) == tuple(sum(map(len, UIDS[name].values())) for name in (a, b))


@pytest.mark.parametrize(
    ("a", "b", "decided_by"),
    [("a", "a", "same_content"), ("a", "d", "empty"), ("a", "c", "uid_ranges"), ("a", "b", "uids"), ("a", "e", "uids")],
)
def test_what_is_recorded_decides_where_it_can(written: Project, a: str, b: str, decided_by: str) -> None:
    assert contains(written, a, b).decided_by == decided_by


def test_the_matrix_is_that_of_all_pairs(written: Project) -> None:
    found = containment_matrix(written)
    assert found.names == tuple(UIDS)
    assert [line.partition(" in /")[0] for line in found.left_out] == ["the subset 'unmade' has not been made"]
    for i, a in enumerate(found.names):
        for j, b in enumerate(found.names):
            assert (found.both[i][j], found.is_inside(i, j)) == (contains(written, a, b).both, contains(written, a, b).a_in_b)


def test_subsets_and_versions_of_a_real_project(asked: Project) -> None:
    names = [*ASKED, "mixed@1"]
    tables = [f"subsets/{name}" for name in ASKED] + ["published/mixed/v1/members"]
    sets = [{(r["uid_hi"], r["uid_lo"]) for r in raw(asked.lake.root, table).to_dicts()} for table in tables]
    matrix = containment_matrix(asked)
    assert matrix.names == tuple(names)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            found = contains(asked, a, b)
            numbers = (found.both, found.only_a, found.only_b, found.a_in_b, found.b_in_a, found.jaccard)
            assert numbers == of_sets(sets[i], sets[j])
            assert matrix.both[i][j] == found.both
    assert contains(asked, "mixed", "basic").a_in_b
    assert contains(asked, "mixed@1", "mixed@1").decided_by == "same_content"


def test_what_cannot_be_compared_says_so(written: Project, asked: Project, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"the subset 'unmade' has not been made in .*; run curate apply first"):
        contains(written, "a", "unmade")
    with pytest.raises(ArgumentError, match=r"no subset 'z' in .*; known: a, b, c, d, e, unmade"):
        contains(written, "z", "a")
    with pytest.raises(ArgumentError, match="no published version a@1; known: none; curate publish makes one"):
        contains(written, "a", "a@1")
    rows = written.lake.read("subsets/a", shard="x")
    written.lake.write("subsets/unmade", [Part("x", rows, {"data_version": "1", "failed_checks": ["accounting"]})])
    with pytest.raises(LakeError, match=r"subsets/unmade\[x\] failed a blocking check; curate status says which"):
        contains(written, "unmade", "a")


def test_a_subset_without_a_shard_of_the_pool_is_not_compared(asked: Project, tmp_path: Path) -> None:
    shutil.copytree(asked.lake.root, tmp_path / "lake")
    content = {**asked.recipe.file.model_dump(mode="json", by_alias=True), "lake": str(tmp_path / "lake")}
    copy = open_project(check_recipe(content, asked.recipe.path))
    added = copy.lake.read("raw_pool", shard="00001")
    renamed = added.set_column(added.column_names.index("shard"), "shard", [pa.repeat("00002", len(added))])
    copy.lake.write("raw_pool", [Part("00002", renamed, copy.lake.records("raw_pool")["00001"])])
    with pytest.raises(LakeError, match=r"subsets/mixed\[00002\] has not been made of raw_pool yet; run curate apply"):
        contains(copy, "mixed", "mixed@1")
    matrix = containment_matrix(copy)
    assert (matrix.names, len(matrix.left_out)) == (("mixed@1",), 3)


def test_json_has_exactly_these_keys(written: Project) -> None:
    keys = "schema a b rows_a rows_b both only_a only_b a_in_b b_in_a jaccard decided_by"
    assert " ".join(dataclasses.asdict(contains(written, "a", "b"))) == keys
