"""The audit of a clean lake finds nothing, and that of a damaged one says where the damage is, whatever it is."""

import json
import os
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_assets.algorithms.digest import partition_version
from curation_assets.algorithms.identity import uid_digest, uid_hex
from curation_assets.audit.audit import Audit, audit
from curation_assets.audit.invariants import CHECKS, AuditFinding, counted
from curation_assets.audit.publish import publish
from curation_assets.audit.receipts import write_receipt
from curation_assets.audit.takedown import take_down
from curation_assets.audit.tombstones import Stones, write_tombstones
from curation_assets.audit_tables import TAKEDOWNS
from curation_assets.holdings.project import Project
from resources.delta import Lake, Part
from resources.row_lookup import wrong_bounds
from resources.stored_files import files_below, open_stored, read_stored, table_folders
from tests.audit.takedown_project import NOWHERE, request
from tests.small_project import make_project

pytestmark = pytest.mark.slow  # makes lakes

VERSION = "published/aligned/v1"


@pytest.fixture(scope="module")
def clean(applied: tuple, drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A curated lake with a published version and three receipts; read only."""
    folder = tmp_path_factory.mktemp("audited")
    shutil.copytree(applied[0].lake.root, folder / "lake")
    project = make_project(folder, drawn_pool / "pool" / "*.tar")
    publish(project, "aligned")
    for number in range(3):
        write_receipt(Path(project.lake.root), {"what": f"a test {number}"})
    return project


@pytest.fixture
def damaged(clean: Project, drawn_pool: Path, tmp_path: Path) -> Project:
    """A copy of the clean lake, to be damaged."""
    shutil.copytree(clean.lake.root, tmp_path / "lake")
    return make_project(tmp_path, drawn_pool / "pool" / "*.tar")


def root_of(project: Project) -> Path:
    return Path(project.lake.root)


def file_of(project: Project, table: str, shard: str | None = "00000") -> Path:
    """The only data file of a partition."""
    (path,) = open_stored(str(root_of(project) / table)).snapshot.files[shard]
    return root_of(project) / table / path


def newest_entry(project: Project, table: str) -> Path:
    return sorted((root_of(project) / table / "_delta_log").glob("*.json"))[-1]


def found_at(audited: Audit, table: str, partition: str = "") -> set[str]:
    """Codes of breaches about a table and partition."""
    return {f.check for f in audited.findings if (f.table, f.partition, f.severity) == (table, partition, "breach")}


def spoken_of(audited: Audit, path: str) -> list[AuditFinding]:
    """Breaches that name a file or folder."""
    return [f for f in audited.findings if f.severity == "breach" and path in f"{f.table}/{f.place}/{f.found}"]


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> tuple[int, int]:
    """Rewrite a data file in place; its size before and after."""
    before = path.stat().st_size
    pq.write_table(change(pq.ParquetFile(path).read()), path)
    return before, path.stat().st_size


def flip(path: Path, at: int, bits: int = 255) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= bits
    path.write_bytes(content)


def test_a_clean_lake_has_no_findings(clean: Project):
    lines: list[str] = []
    found = audit(clean, progress=lines.append)
    assert found.findings == ()
    assert found.is_passed(is_strict=True)
    assert (found.versions, found.is_quick) == (1, False)
    assert found.tables == len(table_folders(root_of(clean))) > 30
    assert found.rows > 3000
    assert any("shard 1 of 2" in line for line in lines)
    assert any("aligned@1" in line for line in lines)


def test_a_quick_audit_reads_the_same_tables(clean: Project):
    quick, whole = audit(clean, is_quick=True), audit(clean)
    assert quick.findings == ()
    assert (quick.tables, quick.partitions, quick.rows) == (whole.tables, whole.partitions, whole.rows)


def test_an_audit_writes_nothing(clean: Project):
    before = {p: p.stat().st_mtime_ns for p in root_of(clean).rglob("*") if p.is_file()}
    audit(clean)
    assert {p: p.stat().st_mtime_ns for p in root_of(clean).rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("table", "shard"),
    [
        ("raw_pool", "00000"),
        ("scores/clip_score", "00001"),
        ("decisions/basic", "00000"),
        ("subsets/aligned", "00001"),
        ("embeddings", "00000"),
        ("cuts/aligned/cut_1", None),
        ("centroids", None),
        (f"{VERSION}/members", None),
        (f"{VERSION}/decisions/aligned", "00000"),
    ],
)
def test_a_byte_flipped_in_the_middle_of_a_file_is_found_there(damaged: Project, table: str, shard: str | None):
    path = file_of(damaged, table, shard)
    flip(path, _data_middle(path))
    assert found_at(audit(damaged), table, shard or "") & {"digest", "unreadable", "rows", "schema"}


@pytest.mark.parametrize(("table", "shard"), [("raw_pool", "00000"), (f"{VERSION}/members", None)])
def test_statistics_by_which_a_lookup_would_pass_over_rows_are_found(damaged: Project, table: str, shard: str | None):
    path = file_of(damaged, table, shard)
    stated = pq.ParquetFile(path).metadata.row_group(0).column(_column_index(path, "uid_hi")).statistics.min
    at = path.read_bytes().rindex(struct.pack("<q", stated))
    flip(path, at + 7, 64)
    assert wrong_bounds(path)[0][:2] == ("uid_hi", 0)
    (found,) = [f for f in audit(damaged).findings if f.check == "statistics"]
    assert (found.table, found.partition, found.severity) == (table, shard or "", "breach")
    assert path.name in found.place


def _column_index(path: Path, name: str) -> int:
    return pq.ParquetFile(path).schema_arrow.names.index(name)


def _data_middle(path: Path) -> int:
    """A byte within the values of the widest column of a file."""
    group = pq.ParquetFile(path).metadata.row_group(0)
    column = max((group.column(i) for i in range(group.num_columns)), key=lambda c: c.total_compressed_size)
    begin = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
    return begin + column.total_compressed_size // 2


def test_a_dropped_ledger_row_is_found_by_size_rows_digest_and_source(damaged: Project):
    rewrite(file_of(damaged, "decisions/basic"), lambda rows: rows.slice(1))
    found = audit(damaged)
    assert found_at(found, "decisions/basic", "00000") == {"file_size", "rows", "digest", "accounting"}
    assert not found.is_passed()


def test_a_value_that_everything_else_agrees_with_is_found_by_the_digest_alone(damaged: Project):
    def changed(rows: pa.Table) -> pa.Table:
        at = rows.column_names.index("url")
        return rows.set_column(at, "url", pa.array(["http://else.where"] * len(rows)))

    before, after = rewrite(file_of(damaged, "raw_pool"), changed)
    replace_text(newest_entry(damaged, "raw_pool"), f'"size":{before}', f'"size":{after}')
    assert {(f.check, f.table, f.partition) for f in audit(damaged).findings} == {("digest", "raw_pool", "00000")}
    assert audit(damaged, is_quick=True).findings == ()


def test_a_dropped_ledger_row_is_found_without_digests(damaged: Project):
    before, after = rewrite(file_of(damaged, "decisions/basic"), lambda rows: rows.slice(1))
    entry = newest_entry(damaged, "decisions/basic")
    count = pq.ParquetFile(file_of(damaged, "decisions/basic")).metadata.num_rows
    replace_text(entry, f'"size":{before}', f'"size":{after}')
    replace_text(entry, f'"rows":{count + 1}', f'"rows":{count}')
    found = audit(damaged, is_quick=True)
    assert "accounting" in found_at(found, "decisions/basic", "00000")


def test_two_rows_that_changed_places_are_found(damaged: Project):
    rewrite(file_of(damaged, "scores/clip_score"), lambda rows: rows.take([1, 0, *range(2, len(rows))]))
    assert {"row_order", "digest", "alignment"} <= found_at(audit(damaged), "scores/clip_score", "00000")


def test_another_column_than_the_log_says_is_found(damaged: Project):
    rewrite(file_of(damaged, "scores/clip_score"), lambda rows: rows.append_column("more", pa.array([1] * len(rows))))
    (finding,) = [f for f in audit(damaged).findings if f.check == "unreadable"]
    assert (finding.table, finding.partition) == ("scores/clip_score", "00000")
    assert "'more'" in finding.found


def test_a_removed_data_file_is_missing_and_a_strange_one_an_orphan(damaged: Project):
    gone = file_of(damaged, "scores/image_size")
    stray = root_of(damaged) / "raw_pool" / "shard=00000" / "part-stray.parquet"
    shutil.copy(gone, stray)
    gone.unlink()
    found = audit(damaged)
    assert {"missing_file", "unreadable"} <= found_at(found, "scores/image_size", "00000")
    (orphan,) = [f for f in found.findings if f.check == "orphan_file"]
    assert (orphan.table, orphan.severity, orphan.place) == ("raw_pool", "warning", "shard=00000/part-stray.parquet")


def test_warnings_alone_fail_a_strict_audit_only(damaged: Project):
    (root_of(damaged) / "raw_pool" / "note.txt").write_text("hello")
    found = audit(damaged)
    assert counted(found.findings) == {"breach": {}, "warning": {"orphan_file": 1}}
    assert found.is_passed()
    assert not found.is_passed(is_strict=True)


def test_an_edited_record_is_found(damaged: Project):
    record = damaged.records(("scores", "clip_score"))["00000"]
    replace_text(newest_entry(damaged, "scores/clip_score"), str(record["data_version"]), "0" * 32)
    assert found_at(audit(damaged), "scores/clip_score", "00000") == {"digest"}


def test_records_of_other_samples_are_found(damaged: Project):
    record = damaged.records(("scores", "clip_score"))["00000"]
    replace_text(newest_entry(damaged, "scores/clip_score"), str(record["uid_digest"]), "1" * 32)
    assert {"alignment", "digest"} <= found_at(audit(damaged), "scores/clip_score", "00000")
    replace_text(newest_entry(damaged, "raw_pool"), str(record["uid_digest"]), "2" * 32)
    assert "identity" in found_at(audit(damaged), "raw_pool", "00000")


@pytest.mark.parametrize("field", ["rows", "content_digest", "recipe", "funnel"])
def test_an_edited_manifest_is_found(damaged: Project, field: str):
    path = root_of(damaged) / VERSION / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest[field] = {"rows": 7, "content_digest": "0" * 32, "recipe": {}, "funnel": []}[field]
    path.write_text(json.dumps(manifest))
    assert "manifest" in {f.check for f in spoken_of(audit(damaged), VERSION)}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000])
def test_a_manifest_that_is_none_is_found(damaged: Project, content: bytes):
    (root_of(damaged) / VERSION / "manifest.json").write_bytes(content)
    assert "manifest" in {f.check for f in spoken_of(audit(damaged), VERSION)}


def test_a_version_that_is_gone_is_found(damaged: Project):
    shutil.rmtree(root_of(damaged) / VERSION)
    (finding,) = audit(damaged).findings
    assert (finding.check, finding.table, finding.place) == ("version", "datasets/aligned", VERSION)


def test_the_rest_of_a_killed_publication_is_a_warning(damaged: Project):
    (root_of(damaged) / "published" / "aligned" / ".v2").mkdir()
    (finding,) = audit(damaged).findings
    assert (finding.check, finding.severity, finding.table) == ("unfinished", "warning", "published/aligned/.v2")


def test_an_unfinished_takedown_is_a_breach(damaged: Project):
    (root_of(damaged) / "_takedowns").mkdir()
    (root_of(damaged) / "_takedowns" / "pending.json").write_text("{}")
    (finding,) = audit(damaged).findings
    assert (finding.check, finding.place, finding.severity) == ("unfinished", "pending.json", "breach")
    assert "curate takedown" in finding.found


def _delete(folder: Path) -> None:
    (folder / "000002.json").unlink()


def _edit(folder: Path) -> None:
    replace_text(folder / "000002.json", "a test 1", "a test 9")


def _swap(folder: Path) -> None:
    for old, new in (("000001", "x"), ("000002", "000001"), ("x", "000002")):
        os.rename(folder / f"{old}.json", folder / f"{new}.json")


@pytest.mark.parametrize("damage", [_delete, _edit, _swap])
def test_receipts_that_are_not_as_written_are_found(damaged: Project, damage: Callable[[Path], None]):
    damage(root_of(damaged) / "receipts")
    assert {(f.check, f.table) for f in audit(damaged).findings} == {("receipts", "receipts")}


def test_a_removed_newest_receipt_is_found_because_a_redaction_names_it(damaged: Project):
    (root_of(damaged) / "receipts" / "000003.json").unlink()
    assert audit(damaged).findings == ()
    (root_of(damaged) / VERSION / "redaction_3.json").write_text('{"receipt": "000003"}')
    assert any(f.check == "receipts" and "receipt 3 is missing" in f.found for f in audit(damaged).findings)


def test_a_redaction_that_cannot_be_read_is_found(damaged: Project):
    (root_of(damaged) / VERSION / "redaction_3.json").write_text("[")
    assert any(f.check == "receipts" and f.place == "redaction_3.json" for f in audit(damaged).findings)


def test_a_row_that_was_taken_down_is_found_by_place_and_without_its_uid(damaged: Project):
    lake = Lake(root=damaged.lake.root)
    row = lake.read("subsets/aligned", shard="00001").to_pylist()[0]
    (uid,) = uid_hex(np.array([row["uid_hi"]]), np.array([row["uid_lo"]]))
    write_tombstones(lake, Stones({"uid": [uid]}, [], 4), "T-1", 3)
    found = audit(damaged)
    hits = {(f.table, f.partition, f.place) for f in found.findings if f.check == "takedown"}
    place = f"row {row['row']}"
    assert hits == {("raw_pool", "00001", place), (f"{VERSION}/raw_pool", "00001", place), (f"{VERSION}/members", "", place)}
    assert uid not in json.dumps(found.as_json())
    (root_of(damaged) / "receipts" / "000003.json").unlink()
    assert any("receipt 3 is missing" in f.found for f in audit(damaged).findings)
    (root_of(damaged) / "_takedowns" / "salt").unlink()
    assert "what was taken down" in [f.expected for f in audit(damaged).findings if f.check == "takedown"]


@pytest.mark.parametrize("content", [b"", b"\x00garbage\xff\n"])
def test_a_log_of_garbage_is_found(damaged: Project, content: bytes):
    newest_entry(damaged, "scores/caption_length").write_bytes(content)
    found = [f for f in audit(damaged).findings if f.table == "scores/caption_length"]
    assert found
    assert any(f.severity == "breach" for f in found) or {f.check for f in found} >= {"stale", "orphan_file"}


def test_a_truncated_file_is_found(damaged: Project):
    path = file_of(damaged, "embeddings", "00001")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert found_at(audit(damaged), "embeddings", "00001") == {"file_size", "unreadable"}


def test_every_finding_has_a_known_code_and_plain_text(damaged: Project):
    hostile = root_of(damaged) / "raw_pool" / "\x1b[31m\u202e[bold]x.parquet"
    hostile.write_bytes(b"")
    flip(file_of(damaged, "raw_pool"), 30)
    found = audit(damaged)
    assert {f.check for f in found.findings} <= set(CHECKS)
    text = "".join("".join(f.as_json().values()) for f in found.findings)
    assert "\x1b" not in text
    assert "\u202e" not in text
    json.dumps(found.as_json(), allow_nan=False)


def content_of(root: Path) -> dict[str, object]:
    """Everything that a lake's tables hold, and what is recorded of it; None where a table or partition cannot be read."""
    found: dict[str, object] = {}
    for name in table_folders(root):
        table = open_stored(str(root / name))
        for file in table.files:
            found[f"{name} {file.shard} {file.path}"] = read_stored(table, [file.path]).to_pydict()
    return found


def _places(root: Path, seed: int, pattern: str, count: int) -> Iterator[tuple[str, int, int]]:
    draw = random.Random(seed)
    files = sorted(p for p in root.rglob(pattern) if p.is_file() and p.stat().st_size)
    for path in draw.sample(files, count):
        yield path.relative_to(root).as_posix(), draw.randrange(path.stat().st_size), draw.randrange(1, 256)


@pytest.mark.parametrize("seed", range(24))
def test_what_one_wrong_byte_in_a_data_file_changes_is_found(clean: Project, damaged: Project, seed: int):
    ((place, at, bits),) = _places(root_of(clean), seed, "*.parquet", 1)
    flip(root_of(damaged) / place, at, bits)
    if audit(damaged).is_passed():
        assert content_of(root_of(damaged)) == content_of(root_of(clean)), (place, at, bits)


@pytest.mark.parametrize("seed", range(12))
def test_an_audit_never_raises_whatever_byte_is_wrong(clean: Project, damaged: Project, seed: int):
    for place, at, bits in _places(root_of(clean), 1000 + seed, "*", 4):
        shutil.copy(root_of(clean) / place, root_of(damaged) / place)
        flip(root_of(damaged) / place, at, bits)
        found = audit(damaged)
        assert not [f for f in found.findings if f.check == "audit"], (place, at, bits, found.findings)
        shutil.copy(root_of(clean) / place, root_of(damaged) / place)


def test_a_table_of_another_program_is_read_and_needs_no_record(damaged: Project):
    from deltalake import write_deltalake

    write_deltalake(str(root_of(damaged) / "notes"), pa.table({"text": ["a", "b"]}))
    (finding,) = audit(damaged).findings
    assert (finding.check, finding.severity, finding.table) == ("record", "warning", "notes")


def test_what_is_out_of_date_is_a_warning_and_no_breach(damaged: Project, drawn_pool: Path, tmp_path: Path):
    subsets = {"basic": {"keep": [{"caption_length": {"min_words": 5}}]}}
    subsets["aligned"] = {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.5}}]}
    edited = make_project(tmp_path, drawn_pool / "pool" / "*.tar", subsets)
    found = audit(edited)
    assert found.is_passed()
    stale = {f.table: f for f in found.findings if f.check == "stale"}
    assert {"subsets/basic", "decisions/basic", "subsets/aligned"} <= set(stale)
    assert "parameter keep" in stale["subsets/basic"].found


def test_a_pool_that_is_gone_is_a_warning(damaged: Project, tmp_path: Path):
    found = audit(make_project(tmp_path, tmp_path / "nowhere" / "*.tar"))
    assert found.is_passed()
    assert [f.check for f in found.findings] == ["pool"]


def test_rows_of_another_pool_version_are_stale_and_no_breach(damaged: Project):
    """raw_pool is made again with other content: what was made from the old rows is behind, not wrong."""
    lake = Lake(root=damaged.lake.root)
    rows = lake.read("raw_pool", shard="00000").slice(1)
    uids = uid_digest(rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy())
    record = {**lake.records("raw_pool")["00000"], "rows": len(rows), "uid_digest": uids}
    lake.write("raw_pool", [Part("00000", rows, {**record, "data_version": partition_version(rows, uids)})])
    found = audit(damaged)
    assert found.is_passed(), found.findings
    assert "stale" in counted(found.findings)["warning"]


def test_nothing_is_left_out_of_the_walk(clean: Project):
    nested = {path for name in table_folders(root_of(clean)) for path in files_below(root_of(clean) / name)}
    data = {p.name for p in root_of(clean).rglob("*.parquet") if "_delta_log" not in p.parts}
    assert data == {Path(path).name for path in nested}


def store(project: Project, table: str, shard: str | None, rows: pa.Table) -> None:
    """Write a partition with a record that its rows agree with."""
    lake = Lake(root=project.lake.root)
    record = dict(lake.records(table)[shard])
    record |= {"rows": len(rows), "data_version": partition_version(rows, record["uid_digest"])}
    lake.write(table, [Part(shard, rows, record)])


def put(rows: pa.Table, column: str, values: list[object]) -> pa.Table:
    """Rows with the first values of a column replaced."""
    whole = [*values, *rows[column].to_pylist()[len(values) :]]
    return rows.set_column(
        rows.column_names.index(column), rows.schema.field(column), pa.array(whole, rows.schema.field(column).type)
    )


WRONG = {
    "a score beyond its bounds": ("scores/clip_score", {"clip_score": [1.5]}, {"bounds"}),
    "a NULL without a reason": ("scores/clip_score", {"clip_score": [None]}, {"null_reason"}),
    "a reason without a NULL": ("scores/clip_score", {"reason": ["why not"]}, {"null_reason"}),
    "a uid twice": ("raw_pool", {"uid_hi": [1, 1], "uid_lo": [2, 2]}, {"uid_unique", "identity"}),
    "a row that is rejected too": ("rejected_samples", {"row": [-1]}, set()),
    "a dropped row without a filter": ("decisions/basic", {"filter": None}, {"accounting"}),
    "a kept row that the subset lacks": ("decisions/basic", {"is_kept": None}, {"accounting"}),
    "a uid that its source has not": ("subsets/basic", {"uid_lo": [5]}, {"chain"}),
    "a row that its source has not": ("subsets/basic", {"row": [-5]}, {"chain"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rows_are_found_although_their_record_agrees(damaged: Project, name: str):
    table, values, expected = WRONG[name]
    rows = damaged.lake.read(table, shard="00000")
    for column, given in values.items():
        if given is None:  # of every row the opposite, or nothing
            given = [None] * len(rows) if column == "filter" else [not kept for kept in rows[column].to_pylist()]
        rows = put(rows, column, given)
    store(damaged, table, "00000", rows)
    found = {f.check for f in audit(damaged).findings if f.table == table and f.check != "stale"}
    assert expected <= found, found


@pytest.mark.parametrize(("column", "value"), [("cut_rows", 12), ("population", 3), ("cut_value", -9.0), ("fraction", 0.4)])
def test_a_wrong_cut_is_found_although_its_record_agrees(damaged: Project, column: str, value: float):
    rows = put(damaged.lake.read("cuts/aligned/cut_1"), column, [value])
    store(damaged, "cuts/aligned/cut_1", None, rows)
    found = audit(damaged)
    assert found_at(found, "cuts/aligned/cut_1") == {"cut"}


def test_a_score_that_moves_a_row_over_the_cut_is_found(damaged: Project):
    rows = damaged.lake.read("scores/clip_score", shard="00000")
    kept = damaged.lake.read("subsets/aligned", shard="00000")["row"].to_pylist()
    scores = [
        -1.0 if row in kept else value for row, value in zip(*(rows[c].to_pylist() for c in ("row", "clip_score")), strict=True)
    ]
    path = file_of(damaged, "scores/clip_score")
    rewrite(
        path,
        lambda stored: stored.set_column(stored.column_names.index("clip_score"), "clip_score", pa.array(scores, pa.float32())),
    )
    found = audit(damaged, is_quick=True)
    assert "cut" in found_at(found, "cuts/aligned/cut_1")


def test_a_failed_check_is_a_warning(damaged: Project):
    lake = Lake(root=damaged.lake.root)
    record = {**lake.records("subsets/aligned")["00000"], "failed_checks": ["accounting"]}
    lake.write("subsets/aligned", [Part("00000", None, record)])
    found = audit(damaged)
    assert found.is_passed()
    assert [f.found for f in found.findings if f.check == "failed_check"] == ["accounting"]


def test_a_lake_after_a_takedown_is_clean_and_one_that_was_put_back_is_not(clean: Project, damaged: Project):
    row = damaged.lake.read("subsets/aligned", shard="00001").to_pylist()[3]
    (uid,) = uid_hex(np.array([row["uid_hi"]]), np.array([row["uid_lo"]]))
    list(take_down(damaged, request(uid), NOWHERE, lambda line: None))
    found = audit(damaged)
    assert found.is_passed(), found.findings
    assert set(counted(found.findings)["warning"]) <= {"stale"}
    shutil.rmtree(root_of(damaged) / "raw_pool")
    shutil.copytree(root_of(clean) / "raw_pool", root_of(damaged) / "raw_pool")
    hits = [f for f in audit(damaged).findings if f.check == "takedown"]
    assert [(f.table, f.partition, f.place) for f in hits] == [("raw_pool", "00001", f"row {row['row']}")]


def test_every_code_is_documented_with_its_rule():
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    assert [code for code, (rule, _) in CHECKS.items() if f"| `{code}` | {rule} |" not in page] == []


@pytest.fixture
def refusing(damaged: Project) -> Project:
    """A lake that refuses two uids, each by a receipt."""
    for receipt in (1, 2):
        write_tombstones(damaged.lake, Stones({"uid": [f"{receipt:032x}"]}, [], -1), f"T-{receipt}", receipt)
    return damaged


def test_another_salt_is_found_for_nothing_would_be_refused_by_it(refusing: Project):
    assert audit(refusing).findings == ()
    flip(root_of(refusing) / "_takedowns" / "salt", 7)
    (found,) = audit(refusing).findings
    assert (found.check, found.severity, found.table) == ("takedown", "breach", "takedowns")
    assert "is not the one by which it refuses samples; bring it back from a copy" in found.found


def test_a_tombstone_that_was_replaced_is_found(refusing: Project):
    """As many rows of the same receipts, but one of another digest."""
    rows = refusing.lake.read("takedowns").to_pylist()
    edited = pa.Table.from_pylist([{**rows[0], "digest": bytes(32)}, rows[1]], schema=TAKEDOWNS.schema)
    refusing.lake.write("takedowns", [Part(None, edited, refusing.lake.records("takedowns")[None])])
    assert found_at(audit(refusing), "takedowns") == {"digest"}
