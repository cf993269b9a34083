"""Publishing: what a version holds, when there is a new one, and what becomes of one that was killed or disturbed."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from errno import EPERM
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curation_assets.algorithms.digest import partition_version
from curation_assets.audit import publish as publishing
from curation_assets.audit.dataset_table import registered
from curation_assets.audit.publish import licences, lineage, publish
from curation_assets.audit.verify import verify, version_to_verify
from curation_assets.audit.versions import MANIFEST, Version, find_version, open_version, stored_state, versions
from curation_assets.errors import ArgumentError, LakeError
from curation_assets.holdings.project import Project, open_project
from curation_assets.holdings.state import State, read_state
from curation_assets.holdings.status import pool_funnel, subset_funnels
from curation_assets.recipe import check_recipe
from resources.delta import Lake, Part
from tests.audit.published_projects import LONG_NAME, curated, moved

pytestmark = pytest.mark.slow  # makes lakes


class Killed(BaseException):
    """Stands for a process that ends here."""


@pytest.fixture(scope="module")
def made(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with everything made and nothing published; read only."""
    return curated(tmp_path_factory.mktemp("made"), drawn_pool)


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Project:
    return moved(made, tmp_path)


def names(project: Project) -> list[str]:
    return [version.name for version in versions(project)]


def numbers(project: Project, dataset: str) -> list[int]:
    return registered(project, dataset)["dataset_version"].to_pylist()


def assert_sound(project: Project, version: Version) -> None:
    found = verify(project, version_to_verify(project, version.dataset, version.number), rebuild=True)
    assert found.findings == []


def reword(project: Project, shard: str = "00000") -> None:
    """Other captions in a shard of raw_pool, of which nothing that was made from it takes notice: all is up to date."""
    rows, record = project.lake.read("raw_pool", shard=shard), dict(project.lake.records("raw_pool")[shard])
    texts = pa.array([f"{text} again" for text in rows["text"].to_pylist()], pa.string())
    changed = rows.set_column(rows.column_names.index("text"), rows.schema.field("text"), texts)
    version, name = partition_version(changed, str(record["uid_digest"])), f"raw_pool[{shard}]"
    for node in project.graph.values():
        renewed = [
            Part(part, None, {**known, "inputs": {**known["inputs"], name: version}})
            for part, known in project.records(node.key).items()
            if name in known["inputs"]
        ]
        if renewed:
            project.lake.write(node.name, renewed)
    project.lake.write("raw_pool", [Part(shard, changed, {**record, "data_version": version})])


def test_a_version_holds_the_rows_as_they_were_with_what_is_known_of_them(project: Project) -> None:
    version, is_new = publish(project, "aligned", "first\x1b[31m")
    assert (version.name, is_new) == ("aligned@1", True)
    manifest = json.loads((version.folder / MANIFEST).read_text(encoding="ascii"))
    assert manifest == version.manifest
    assert (manifest["note"], manifest["run_id"], manifest["dataset"]) == ("first\x1b[31m", "", "aligned")
    state = read_state(project)
    members = Lake(root=str(version.folder)).read("members").to_pylist()
    expected = []
    for shard in state.files:
        kept = set(project.lake.read("subsets/aligned", shard=shard)["row"].to_pylist())
        for row in project.lake.read("raw_pool", shard=shard).to_pylist():
            if row["row"] in kept:
                expected.append({**row, "pool_shard": shard, "pool_row": row["row"]})
    expected.sort(key=lambda row: (row["uid_hi"] % 2**64, row["uid_lo"] % 2**64))
    assert members == [{name: row[name] for name in members[0]} for row in expected]
    assert manifest["rows"] == len(members) == sum(manifest["licences"].values())
    chain = [pool_funnel(state), *(found for found in subset_funnels(state) if found.subset in ("basic", "aligned"))]
    assert [(stage["subset"], stage["kept"]) for stage in manifest["funnel"]] == [(f.subset, f.kept) for f in chain]
    assert [step["subset"] for step in manifest["filters"]] == ["basic", "aligned"]
    assert set(manifest["inputs"]) == {"/".join(key) for key in lineage(state, "aligned")}
    assert "embeddings" not in manifest["inputs"]
    frozen = stored_state(open_version(project, version))
    assert all(frozen.records[key] == state.records[key] for key in lineage(state, "aligned"))
    assert_sound(project, version)


def test_data_files_are_shared_and_the_list_of_files_is_sha256sums(project: Project) -> None:
    version, _ = publish(project, "aligned")
    shared = [path for path in version.folder.rglob("*.parquet") if "members" not in path.parts]
    for path in shared:
        assert path.samefile(Path(project.lake.root) / path.relative_to(version.folder))
    assert len(shared) > 10
    if tool := shutil.which("sha256sum"):
        subprocess.run([tool, "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=version.folder, check=True)


def test_without_hard_links_files_are_copied(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*places: Path) -> None:
        raise OSError(EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    version, _ = publish(project, "aligned")
    assert {path.stat().st_nlink for path in version.folder.rglob("*.parquet")} == {1}
    assert_sound(project, version)


def test_a_file_that_is_gone_is_said_by_name(project: Project) -> None:
    path = next((Path(project.lake.root) / "scores" / "clip_score").rglob("*.parquet"))
    path.unlink()
    with pytest.raises(LakeError, match=rf"cannot freeze .*{path.name}: .*No such file"):
        publish(project, "aligned")
    assert names(project) == []


def test_unchanged_content_makes_no_version_whatever_the_note_says(project: Project) -> None:
    first, _ = publish(project, "aligned", "one")
    table = project.lake.version("datasets/aligned")
    again, is_new = publish(project, "aligned", "two")
    assert (again.name, is_new, again.manifest) == (first.name, False, first.manifest)
    assert (names(project), project.lake.version("datasets/aligned")) == (["aligned@1"], table)
    reword(project)
    other, is_new = publish(project, "aligned", "two")
    assert (other.name, is_new, other.manifest["note"]) == ("aligned@2", True, "two")
    assert numbers(project, "aligned") == [1, 2]
    for version in (first, other):
        assert_sound(project, version)


@pytest.mark.parametrize("subset", ["nothing", LONG_NAME])
def test_subsets_without_rows_or_with_long_names(project: Project, subset: str) -> None:
    version, is_new = publish(project, subset)
    assert (version.dataset, version.number, is_new) == (subset, 1, True)
    assert publish(project, subset) == (version, False)
    assert (version.manifest["rows"] == 0) == (subset == "nothing")
    assert_sound(project, version)


def test_what_is_missing_or_out_of_date_is_not_published(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"no subset 'x' in .*; known: basic, v1_X+_, aligned, nothing"):
        publish(project, "x")
    content = project.recipe.file.model_dump(mode="json", by_alias=True, exclude_none=True)
    content["subsets"]["aligned"]["keep"] = [{"clip_score": {"top_fraction": 0.1}}]
    edited = open_project(check_recipe(content, project.recipe.path))
    with pytest.raises(LakeError, match=r"aligned cannot be published: cuts/aligned/cut_1, .*run curate apply first"):
        publish(edited, "aligned")
    assert publish(edited, "basic")[0].name == "basic@1", "what is out of date is no part of it"
    record = project.lake.records("scores/clip_score")["00001"]
    project.lake.write("scores/clip_score", [Part("00001", None, {**record, "failed_checks": ["alignment"]})])
    with pytest.raises(LakeError, match=r"aligned cannot be published: scores/clip_score\[00001\], cuts"):
        publish(project, "aligned")
    content["lake"] = "s3://bucket/lake"
    with pytest.raises(LakeError, match="published versions need a lake on a local disk"):
        publish(open_project(check_recipe(content, project.recipe.path)), "aligned")


def test_rows_of_other_samples_are_not_published(project: Project) -> None:
    record = project.lake.records("scores/clip_score")["00000"]
    project.lake.write("scores/clip_score", [Part("00000", None, {**record, "uid_digest": "0" * 32})])
    with pytest.raises(LakeError, match=r"scores/clip_score\[00000\] is not aligned with raw_pool\[00000\]; run curate apply"):
        publish(project, "aligned")


def test_a_table_that_is_rewritten_meanwhile_is_published_as_it_was(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = project.lake.read("raw_pool")["text"].to_pylist()
    member_rows = publishing.member_rows

    def disturbed(state: State, subset: str, shards: list[str]) -> pa.Table:
        for shard in shards:
            reword(project, shard)
            rows = project.lake.read("scores/clip_score", shard=shard)
            record = dict(project.lake.records("scores/clip_score")[shard])
            project.lake.write("scores/clip_score", [Part(shard, rows.slice(0, 0), record)])
        return member_rows(state, subset, shards)

    monkeypatch.setattr(publishing, "member_rows", disturbed)
    version, _ = publish(project, "aligned")
    frozen = Lake(root=str(version.folder))
    assert frozen.read("raw_pool")["text"].to_pylist() == before != project.lake.read("raw_pool")["text"].to_pylist()
    assert len(frozen.read("scores/clip_score")) == len(before)
    assert_sound(project, version)


def kill_at(patch: pytest.MonkeyPatch, place: object, name: str, *, call: int = 1, after: bool = False) -> None:
    """Let the process end at a call of a function, before or after it did its work."""
    whole: Callable[..., object] = getattr(place, name)
    calls = []

    def killed(*arguments: object, **named: object) -> object:
        calls.append(name)
        result = whole(*arguments, **named) if len(calls) < call or after else None
        if len(calls) >= call:
            raise Killed
        return result

    patch.setattr(place, name, killed)


STEPS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], bool]] = {
    "before the first table": (lambda p: kill_at(p, publishing, "freeze"), False),
    "between tables": (lambda p: kill_at(p, publishing, "freeze", call=4), False),
    "after a table": (lambda p: kill_at(p, publishing, "freeze", call=2, after=True), False),
    "before the members": (lambda p: kill_at(p, Lake, "write"), False),
    "after the members": (lambda p: kill_at(p, Lake, "write", after=True), False),
    "after the list of files": (lambda p: kill_at(p, publishing, "write_sums", after=True), False),
    "after the manifest": (lambda p: kill_at(p, Path, "rename"), False),
    "after it is in its place": (lambda p: kill_at(p, Path, "rename", after=True), True),
    "before the table of versions": (lambda p: kill_at(p, publishing, "register"), True),
    "after the table of versions": (lambda p: kill_at(p, Lake, "write", call=2, after=True), True),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("has_former", [False, True])
def test_a_killed_publication_is_repaired_by_the_next(project: Project, step: str, has_former: bool) -> None:
    if has_former:
        publish(project, "aligned")
        reword(project)
    number = 1 + has_former
    kill, is_in_place = STEPS[step]
    with pytest.MonkeyPatch.context() as patch:
        kill(patch)
        with pytest.raises(Killed):
            publish(project, "aligned")
    assert len(names(project)) == number - 1 + is_in_place
    version, is_new = publish(project, "aligned")
    assert (version.number, is_new) == (number, not is_in_place)
    assert numbers(project, "aligned") == list(range(1, number + 1))
    assert sorted(path.name for path in version.folder.parent.iterdir()) == [f"v{n}" for n in range(1, number + 1)]
    assert_sound(project, version)


def test_two_publications_at_once_make_one_version(project: Project) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = [job.result() for job in [pool.submit(publish, project, "aligned") for _ in range(2)]]
    assert sorted((version.name, is_new) for version, is_new in found) == [("aligned@1", False), ("aligned@1", True)]
    assert numbers(project, "aligned") == [1]


def test_a_number_is_never_given_again(project: Project) -> None:
    publish(project, "aligned")
    reword(project)
    second, _ = publish(project, "aligned")
    shutil.rmtree(second.folder)
    third, is_new = publish(project, "aligned")
    assert (third.name, is_new, numbers(project, "aligned")) == ("aligned@3", True, [1, 2, 3])
    assert (names(project), find_version(project, "aligned", 3)) == (["aligned@1", "aligned@3"], third)
    assert not verify(project, version_to_verify(project, "aligned", 2)).is_sound


def test_a_note_holds_nothing_that_a_takedown_would_have_to_take_out(project: Project) -> None:
    with pytest.raises(ArgumentError, match=r"the note holds [0-9a-f]{32}, and a manifest never changes; leave"):
        publish(project, "aligned", note=f"without {'ab' * 32}")
    assert names(project) == []
    assert publish(project, "aligned", note=f"code {'a1' * 20}")[1]  # a commit of git


def test_a_damaged_manifest_holds_back_its_own_dataset_alone(project: Project) -> None:
    (publish(project, "basic")[0].folder / MANIFEST).write_text("{")
    assert publish(project, "aligned")[0].name == "aligned@1"
    with pytest.raises(LakeError, match=r"cannot read .*published/basic/v1/manifest\.json"):
        publish(project, "basic")


def test_licences_are_counted_with_those_that_nobody_stated() -> None:
    members = pa.table({"licence": ["CC0", None, "", "CC0", "MIT"]})
    assert licences(members) == {"CC0": 2, "not stated": 2, "MIT": 1}
    assert pc.sum(pa.array(licences(members).values())).as_py() == 5
