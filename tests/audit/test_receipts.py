"""Receipts form a chain: whatever is changed, removed or added by hand is named."""

import hashlib
import json
from pathlib import Path

import pytest

from curation_assets.audit.receipts import FOLDER, next_number, read_receipts, receipt_faults, write_receipt
from curation_assets.errors import ArgumentError, LakeError


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    for number in range(1, 5):
        write_receipt(tmp_path, {"kind": "takedown", "ticket": f"T-{number} é", "counts": {"samples": number}})
    return tmp_path


def file(root: Path, number: int) -> Path:
    return root / FOLDER / f"{number:06d}.json"


def test_a_chain_of_receipts(chain: Path):
    receipts = read_receipts(chain)
    assert [r.number for r in receipts] == [1, 2, 3, 4]
    digests = [hashlib.sha256(file(chain, n).read_bytes()).hexdigest() for n in range(1, 5)]
    assert [r.previous for r in receipts] == ["0" * 64, *digests[:3]]
    assert [r.sha256 for r in receipts] == digests
    assert receipts[2].body == {"kind": "takedown", "ticket": "T-3 é", "counts": {"samples": 3}}
    assert receipts[0].written_at.endswith("+00:00")
    assert receipt_faults(chain, expected=[1, 4]) == []
    assert next_number(chain) == 5
    assert sorted(p.name for p in (chain / FOLDER).iterdir()) == [f"{n:06d}.json" for n in range(1, 5)]
    content = file(chain, 1).read_bytes()
    assert content.isascii()
    assert content == json.dumps(json.loads(content), sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert file(chain, 1).stat().st_mode & 0o777 == 0o644


def test_a_lake_without_receipts(tmp_path: Path):
    assert (read_receipts(tmp_path), receipt_faults(tmp_path), next_number(tmp_path)) == ([], [], 1)
    assert receipt_faults(tmp_path, expected=[2, 1]) == ["receipt 1 is missing", "receipt 2 is missing"]


def test_what_write_receipt_returns_is_what_is_read(tmp_path: Path):
    assert write_receipt(tmp_path, {"a": [1, None]}) == read_receipts(tmp_path)[0]


def edit(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


LINK = "receipt {} does not follow receipt {} as it is now: one of them was edited"


def test_every_break_is_named(chain: Path):
    edit(file(chain, 2), '"samples":2', '"samples":9')
    assert receipt_faults(chain) == [LINK.format(3, 2)]
    edit(file(chain, 4), '"number":4', '"number":7')
    (chain / FOLDER / "notes.txt").touch()
    (chain / FOLDER / "7.json").touch()
    file(chain, 1).unlink()
    assert receipt_faults(chain, expected=[5]) == [
        "unknown file '7.json'",
        "unknown file 'notes.txt'",
        "receipt 1 is missing",
        "receipt 5 is missing",
        LINK.format(3, 2),
        "receipt 4 says that it is number 7",
    ]


def test_the_edited_last_receipt_is_seen_once_another_follows_and_its_removal_by_what_is_expected(chain: Path):
    file(chain, 4).unlink()
    assert receipt_faults(chain) == []
    assert receipt_faults(chain, expected=[4]) == ["receipt 4 is missing"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "000002.json is not JSON"),
        (b"\xff", "000002.json is not JSON"),
        (b"[]", "000002.json is not spelled as it was written"),
        (b'{"number": 2}', "000002.json is not spelled as it was written"),
        (b'{"number":2}\n', "000002.json lacks one of number, previous, written_at"),
    ],
)
def test_files_that_are_no_receipts(chain: Path, content: bytes, fault: str):
    file(chain, 2).write_bytes(content)
    assert receipt_faults(chain) == [fault, LINK.format(3, 2)]


def test_a_first_receipt_that_follows_another(chain: Path):
    edit(file(chain, 1), "0" * 64, "1" * 64)
    assert receipt_faults(chain)[0] == "receipt 1 follows another one that is not there"


def test_a_missing_receipt_in_the_middle_and_a_swap(chain: Path):
    file(chain, 3).unlink()
    assert receipt_faults(chain) == ["receipt 3 is missing"]
    file(chain, 2).rename(file(chain, 3))
    faults = receipt_faults(chain)
    assert faults[:2] == ["receipt 2 is missing", "receipt 3 says that it is number 2"]
    assert LINK.format(4, 3) in faults


def test_nothing_is_added_to_a_broken_chain(chain: Path):
    file(chain, 2).unlink()
    with pytest.raises(LakeError, match=r"not what was written: receipt 2 is missing; restore the folder"):
        write_receipt(chain, {})
    with pytest.raises(LakeError, match="receipt 2 is missing"):
        read_receipts(chain)
    assert next_number(chain) == 5


def test_what_a_killed_writer_left_is_no_fault(chain: Path):
    (chain / FOLDER / ".receipt-abc_12").write_bytes(b'{"num')
    assert receipt_faults(chain) == []
    assert write_receipt(chain, {}).number == 5


def test_two_writers_at_once_overwrite_nothing(chain: Path, monkeypatch: pytest.MonkeyPatch):
    before = file(chain, 4).read_bytes()
    known = read_receipts(chain)[:3]
    monkeypatch.setattr("curation_assets.audit.receipts.read_receipts", lambda root: known)
    with pytest.raises(LakeError, match=r"000004.json was written by another process just now; nothing was overwritten"):
        write_receipt(chain, {})
    assert file(chain, 4).read_bytes() == before
    assert len(list((chain / FOLDER).iterdir())) == 4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"number": 1, "written_at": 2}, r"may not have \['number', 'written_at'\]"),
        ({"a": b"x"}, "must be plain JSON"),
        ({"a": float("nan")}, "must be plain JSON"),
    ],
)
def test_bodies_that_are_none(tmp_path: Path, body: dict[str, object], message: str):
    with pytest.raises(ArgumentError, match=message):
        write_receipt(tmp_path, body)
    assert receipt_faults(tmp_path) == []
