"""Proof of published versions: sound ones pass wherever they lie, and every tampering is named with its place."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curation_assets.algorithms.digest import partition_version
from curation_assets.audit.dataset_table import registered
from curation_assets.audit.file_sums import SUMS, write_sums
from curation_assets.audit.findings import UNREADABLE, Verified
from curation_assets.audit.publish import publish
from curation_assets.audit.verify import reference_to_verify, verify, version_to_verify
from curation_assets.audit.versions import MANIFEST, Version
from curation_assets.errors import ArgumentError
from curation_assets.holdings.project import Project
from resources.delta import Lake, Part
from tests.audit.published_projects import LONG_NAME, curated, moved, redact, rewrite

pytestmark = pytest.mark.slow  # makes lakes

PUBLISHED = ("aligned", "nothing", LONG_NAME)


@pytest.fixture(scope="module")
def published(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a version of each of PUBLISHED; read only."""
    project = curated(tmp_path_factory.mktemp("published"), drawn_pool)
    for subset in PUBLISHED:
        publish(project, subset)
    return project


@pytest.fixture
def project(published: Project, tmp_path: Path) -> Project:
    """A copy of it elsewhere, to damage."""
    return moved(published, tmp_path)


def version_of(project: Project, dataset: str = "aligned") -> Version:
    return version_to_verify(project, dataset, 1)


def checked(project: Project) -> Verified:
    return verify(project, version_of(project), rebuild=True)


def said(found: Verified) -> set[tuple[str, str]]:
    return {(finding.what, finding.where) for finding in found.findings}


def data_file(version: Version, table: str) -> Path:
    return sorted((version.folder / table).rglob("*.parquet"))[0]


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_a_sound_version_passes_also_after_the_lake_was_moved(published: Project, project: Project, dataset: str) -> None:
    for place in (published, project):
        found = verify(place, version_to_verify(place, dataset, 1), rebuild=True)
        assert (found.findings, found.is_sound) == ([], True)
        assert found.rebuilt == {"aligned": ["basic", "aligned"], "nothing": ["basic", "nothing"]}.get(dataset, [dataset])
        assert (found.not_rebuildable, found.redactions) == ({}, [])
        assert found.rows == place.lake.read(f"subsets/{dataset}").num_rows
        assert found.partitions > 8
    assert verify(project, version_of(project)).rebuilt == []


@pytest.mark.parametrize("table", ["raw_pool", "members"])
def test_a_text_that_is_no_utf8_is_a_file_that_cannot_be_read(project: Project, table: str) -> None:
    path = data_file(version_of(project), table)
    rows = pq.ParquetFile(path).read()
    texts = [b"caf\xc6", *(text.encode() for text in rows["text"].to_pylist()[1:])]
    pq.write_table(
        rows.set_column(rows.column_names.index("text"), "text", pa.array(texts, pa.binary()).view(pa.string())), path
    )
    where = [finding.where for finding in checked(project).findings if finding.what == UNREADABLE]
    assert len(where) == 1
    assert where[0].startswith(table)


def test_a_table_of_versions_that_cannot_be_read_is_a_finding(project: Project) -> None:
    version = version_of(project)
    log = max((Path(project.lake.root) / "datasets" / "aligned" / "_delta_log").glob("*.json"))
    log.write_text(log.read_text().replace("{", "x", 1))
    (found,) = [finding for finding in verify(project, version).findings if finding.what == UNREADABLE]
    assert (found.where, "Json error" in found.found) == ("datasets/aligned", True)


def test_a_sound_version_needs_neither_the_live_tables_nor_the_pool(project: Project) -> None:
    for folder in Path(project.lake.root).iterdir():
        if folder.name not in ("published", "datasets"):
            shutil.rmtree(folder)
    assert checked(project).findings == []


@pytest.mark.parametrize(
    "table", ["raw_pool", "scores/clip_score", "decisions/basic", "cuts/aligned/cut_1", "members", "encoder"]
)
def test_a_flipped_byte_is_named_with_its_file(project: Project, table: str) -> None:
    version = version_of(project)
    path = data_file(version, table)
    place, sound = path.relative_to(version.folder).as_posix(), path.read_bytes()
    for at in (0, 5, len(sound) // 4, len(sound) // 2, len(sound) - 200, len(sound) - 20, len(sound) - 6, len(sound) - 1):
        damaged = bytearray(sound)
        damaged[at] ^= 0x21
        path.write_bytes(damaged)
        found = verify(project, version)
        assert ("a file was changed", place) in said(found), at
    path.write_bytes(sound)
    assert checked(project).is_sound


def test_content_is_checked_whatever_the_list_of_files_says(project: Project) -> None:
    version = version_of(project)
    path = data_file(version, "scores/clip_score")
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 4] ^= 1
    path.write_bytes(damaged)
    for name in (SUMS, MANIFEST):
        (version.folder / name).rename(version.folder.parent / name)
    write_sums(version.folder)
    (version.folder.parent / MANIFEST).rename(version.folder / MANIFEST)
    found = checked(project)
    where = f"scores/clip_score[00000] in scores/clip_score/shard=00000/{path.name}"
    assert ("the list of files was changed", SUMS) in said(found)
    assert {what for what, place in said(found) if place == where} <= {"other content than recorded", "cannot be read"}
    assert where in {place for _, place in said(found)}


@pytest.mark.parametrize(
    ("remove", "what", "where"),
    [
        (
            lambda v: data_file(v, "scores/clip_score"),
            "cannot be read",
            "scores/clip_score[00000] in scores/clip_score/shard=00000/",
        ),
        (lambda v: data_file(v, "members"), "cannot be read", "members"),
        (lambda v: v.folder / "scores" / "clip_score", "cannot be read", "scores/clip_score"),
        (lambda v: v.folder / "raw_pool" / "_delta_log" / f"{1:020d}.json", "a file was changed", ""),
        (lambda v: v.folder / "members", "cannot be read", "members"),
        (lambda v: v.folder / MANIFEST, "cannot be read", MANIFEST),
        (lambda v: v.folder / SUMS, "cannot be read", SUMS),
        (lambda v: v.folder, "cannot be read", MANIFEST),
    ],
)
def test_what_was_removed_is_named(project: Project, remove: Callable[[Version], Path], what: str, where: str) -> None:
    path = remove(version_of(project))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = said(checked(project))
    if what == "a file was changed":  # a log without its second entry is an empty table
        assert ("cannot be read", path.relative_to(version_of(project).folder).as_posix()) in found
    else:
        assert any(finding == what and place.startswith(where) for finding, place in found), found


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"{}\n{}\n", b'{"commitInfo": 3}'])
def test_a_damaged_log_is_a_finding(project: Project, text: bytes) -> None:
    version = version_of(project)
    log = sorted((version.folder / "subsets" / "basic" / "_delta_log").glob("*.json"))[-1]
    log.write_bytes(text)
    assert ("a file was changed", log.relative_to(version.folder).as_posix()) in said(checked(project))


def test_an_edited_manifest_is_named_with_its_field(project: Project) -> None:
    path = version_of(project).folder / MANIFEST
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "note": "other", "rows": 3}))
    assert said(checked(project)) == {("the manifest was changed", f"{MANIFEST}, note, rows")}
    for text, where in (
        (b"{", ", which is no JSON"),
        (b"[]", ", which is no object"),
        (path.read_bytes() + b" ", ", note, rows"),
    ):
        path.write_bytes(text)
        assert said(checked(project)) == {("the manifest was changed", MANIFEST + where)}


def set_manifest(project: Project, version: Version, manifest: object, *, is_sealed: bool) -> None:
    """Another manifest, in the folder and in the table of versions."""
    text = json.dumps(manifest)
    (version.folder / MANIFEST).write_text(text)
    rows = registered(project, "aligned").to_pylist()
    rows[0] |= {"manifest": text} | ({"manifest_sha256": hashlib.sha256(text.encode()).hexdigest()} if is_sealed else {})
    record = project.lake.records("datasets/aligned")[None]
    schema = registered(project, "aligned").schema
    project.lake.write("datasets/aligned", [Part(None, pa.Table.from_pylist(rows, schema=schema), record)])


def test_a_manifest_that_was_replaced_everywhere_does_not_fit_the_rows(project: Project) -> None:
    version = version_of(project)
    set_manifest(project, version, {**version.manifest, "rows": 3}, is_sealed=False)
    assert said(checked(project)) == {
        ("the manifest kept in the table was changed", "datasets/aligned"),
        ("the manifest was changed", MANIFEST),
        ("other number of rows", "members"),
    }
    changed = {**version.manifest, "uid_digest": "0" * 64, "columns": {}, "funnel": [], "inputs": {}}
    set_manifest(project, version, changed, is_sealed=True)
    whats = {what for what, _ in said(checked(project))}
    assert {"other uids, or in another order", "another column", "cannot be checked to the end"} <= whats
    set_manifest(project, version, {**version.manifest, "recipe": {"lake": 3}}, is_sealed=True)
    assert {what for what, _ in said(checked(project))} == {"cannot be checked to the end"}


def test_a_ledger_without_a_row_is_named(project: Project) -> None:
    version = version_of(project)
    lake = Lake(root=str(version.folder))
    rows = lake.read("decisions/basic", shard="00001")
    dropped = rows.filter(pc.not_equal(rows["row"], rows["row"][3]))
    rewrite(lake, "decisions/basic", "00001", dropped, {})
    found = checked(project)
    where = f"decisions/basic[00001] in decisions/basic/{lake.snapshot('decisions/basic').files['00001'][0]}"
    assert {
        ("other content than recorded", where),
        ("other numbers than in the frozen ledgers", f"{MANIFEST}, funnel of basic"),
    } <= said(found)
    assert any(
        what.startswith("decides otherwise") and place.startswith("decisions/basic[00001]") for what, place in said(found)
    )

    # With a record that fits: then the manifest tells.
    uids = lake.records("decisions/basic")["00001"]["uid_digest"]
    rewrite(lake, "decisions/basic", "00001", dropped, {"data_version": partition_version(dropped, uids)})
    assert ("its records are not those of the manifest", "decisions/basic") in said(checked(project))


def test_a_score_that_was_changed_with_its_record_decides_otherwise(project: Project) -> None:
    version = version_of(project)
    lake = Lake(root=str(version.folder))
    for shard in ("00000", "00001"):
        rows = lake.read("scores/clip_score", shard=shard)
        at = rows.column_names.index("clip_score")
        negated = rows.set_column(at, rows.schema.field("clip_score"), pc.negate(rows["clip_score"]))
        uids = lake.records("scores/clip_score")[shard]["uid_digest"]
        rewrite(lake, "scores/clip_score", shard, negated, {"data_version": partition_version(negated, uids)})
    whats = {what for what, _ in said(checked(project))}
    assert {
        "its records are not those of the manifest",
        "the cut of the frozen scores is another",
        "keeps other rows than the frozen scores say",
        "other rows are kept than were published",
    } <= whats


def test_members_that_are_not_the_rows_of_the_pool_are_named(project: Project) -> None:
    version = version_of(project)
    lake = Lake(root=str(version.folder))
    rows = lake.read("members")
    at = rows.column_names.index("text")
    texts = ["\x1b[31mother", *rows["text"].to_pylist()[1:]]
    rewrite(lake, "members", None, rows.set_column(at, rows.schema.field("text"), pa.array(texts, pa.string())), {})
    found = checked(project)
    assert {
        ("another column", "members, text"),
        ("members are not the rows of the frozen raw_pool", "members, text of row 0"),
    } <= said(found)
    assert [str(rows["text"][0]) for one in found.findings if str(rows["text"][0]) in one.expected + one.found] == []
    rewrite(lake, "members", None, rows.slice(1), {})
    assert {
        ("other number of rows", "members"),
        ("members are not the rows of the frozen subset", "members and subsets/aligned"),
    } <= said(checked(project))


def test_redacted_versions_are_proved_less_what_was_removed(project: Project) -> None:
    version = version_of(project)
    redact(version, 10, receipt=7)
    found = checked(project)
    assert (found.findings, found.redactions, found.rebuilt) == ([], ["7"], ["basic", "aligned"])
    assert found.rows == int(version.manifest["rows"]) - 1
    redact(version, 20, receipt=10, removed_before=1)
    found = checked(project)
    assert (found.findings, found.redactions) == ([], ["7", "10"])

    path = version.folder / "redaction_10.json"
    text = path.read_text()
    path.unlink()  # a removal that nothing explains
    assert ("other number of rows", "members") in said(checked(project))
    body = json.loads(text)
    for changed, what in (
        ({"removed": [{"position": 21, "leaf": "00" * 16}]}, "other uids, or in another order"),
        ({"removed": [{"position": 20, "leaf": body["removed"][0]["leaf"]}]}, "other uids, or in another order"),
        ({"removed": [{"position": 10, "leaf": body["removed"][0]["leaf"]}]}, "cannot be read"),
        ({"removed": [{"position": 10**6, "leaf": body["removed"][0]["leaf"]}]}, "cannot be read"),
        ({"removed": 3}, "cannot be read"),
        ({"column_digests_after": {}}, "another column"),
        ({"rows_after": 1}, "other number of rows than after the last redaction"),
    ):
        path.write_text(json.dumps({**body, **changed}))
        assert what in {what for what, _ in said(checked(project))}, changed
    path.write_text(text)
    lake = Lake(root=str(version.folder))
    rewrite(lake, "scores/clip_score", "00000", lake.read("scores/clip_score", shard="00000").slice(1), {})
    assert "other content than recorded" in {what for what, _ in said(checked(project))}


def test_a_cut_that_named_a_removed_sample_is_not_rebuilt_and_no_breach(project: Project) -> None:
    version = version_of(project)
    redact(version, 0, receipt=1)
    lake = Lake(root=str(version.folder))
    empty = lake.read("cuts/aligned/cut_1").slice(0, 0)
    changed = {"data_version": partition_version(empty, None), "failed_checks": ["takedown"], "takedown": 1}
    rewrite(lake, "cuts/aligned/cut_1", None, empty, changed)
    found = checked(project)
    assert (found.findings, found.rebuilt) == ([], ["basic"])
    assert found.not_rebuildable == {"aligned": "not rebuildable after redaction: cuts/aligned/cut_1 named a removed sample"}


def test_a_version_that_is_not_in_the_table_is_a_finding(project: Project) -> None:
    shutil.rmtree(Path(project.lake.root) / "datasets" / "aligned")
    assert said(checked(project)) == {("is not in the table of versions", "datasets/aligned")}


def test_unknown_versions_list_the_known_ones(published: Project) -> None:
    assert reference_to_verify(published, "aligned@v1").name == "aligned@1"
    with pytest.raises(ArgumentError, match=r"no published version aligned@2; known: .*aligned@1, nothing@1"):
        reference_to_verify(published, "aligned@2")
    for name in ("..", "../x", "", "a b"):
        with pytest.raises(ArgumentError, match="no published version"):
            version_to_verify(published, name, 1)
    with pytest.raises(ArgumentError, match="'aligned' names no version; give one such as aligned@1"):
        reference_to_verify(published, "aligned")
