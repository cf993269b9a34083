"""A needle that stands anywhere in a file is found in any spelling; what is not there is never found."""

import gzip
import html
import json
import os
import socket
import sqlite3
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import resources.byte_scan as byte_scan
from curation_assets.errors import ArgumentError, LakeError
from resources.byte_scan import Hit, Needle, scan
from resources.needle_index import NeedleIndex
from resources.needles import SHORTEST_PART_BYTES, spellings

UID = Needle("uid", bytes.fromhex("8123456789abcdef0fedcba987654321"))
SHA = Needle("sha256", bytes(range(100, 132)))
TEXT = Needle("text", 'A "müde" Katze & <b>Hund</b>\nам 日本'.encode())
URL = Needle("url", b"https://img.example.com/a/b.jpg?x=1&y=2")
SHORT = Needle("text", b"dog")
ALL = [UID, SHA, TEXT, URL, SHORT]
TEXTS = st.text(min_size=1, max_size=40).filter(lambda t: not any("\ud800" <= c <= "\udfff" for c in t))
NEEDLES = st.one_of(
    st.binary(min_size=16, max_size=16).map(lambda v: Needle("uid", v)),
    st.binary(min_size=32, max_size=32).map(lambda v: Needle("sha256", v)),
    TEXTS.map(lambda t: Needle("text", t.encode())),
    TEXTS.map(lambda t: Needle("url", t.encode())),
)


def indices(path: Path, needles: list[Needle]) -> set[int]:
    return {hit.index for hit in scan([path], needles).hits}


def spelled(needle: Needle) -> set[bytes]:
    """The spellings that the contract names, written down a second time."""
    v = needle.value
    if needle.kind == "sha256":
        return {v, v.hex().encode(), v.hex().upper().encode()}
    if needle.kind == "uid":
        halves = np.frombuffer(v, ">u8")
        signed = halves.astype("<u8").view("<i8")
        words = {
            v,
            v.hex().encode(),
            v.hex().upper().encode(),
            halves.astype("<u8").tobytes(),
            halves[::-1].astype("<u8").tobytes(),
        }
        return words | {str(n).encode() for n in [*signed.tolist(), *halves.tolist()] if len(str(abs(n))) >= 15}
    t = v.decode()
    shown = [t, html.escape(t), html.escape(t, quote=False)]
    if len(v) < SHORTEST_PART_BYTES:
        once = [json.dumps(s, ensure_ascii=a) for s in shown for a in (True, False)]
        twice = [json.dumps([s], ensure_ascii=a) for s in once for a in (True, False)]
        return {s.encode() for s in [*once, *twice, *(json.dumps({"x": s}) for s in twice)]}
    found = list(shown)
    for _ in range(3):
        found += [json.dumps(s, ensure_ascii=a)[1:-1] for s in found for a in (True, False)]
    return {s.encode() for s in found[: 3 * 27]}


@pytest.mark.parametrize("needle", ALL, ids=lambda n: n.kind)
def test_every_spelling_is_found_at_every_place_of_a_file(needle: Needle, tmp_path: Path):
    path = tmp_path / "file"
    for place in range(20):
        for spelling in spelled(needle):
            path.write_bytes(b"." * place + spelling + b"." * (place % 3))
            assert indices(path, ALL) >= {ALL.index(needle)}, (place, spelling)


@settings(max_examples=300, deadline=None)
@given(st.lists(NEEDLES, max_size=12), st.data())
def test_the_index_agrees_with_a_search_of_one_after_the_other(needles: list[Needle], data: st.DataObject):
    planted = [s for n in needles for s in sorted(spellings(n))]
    fill = st.one_of(
        st.binary(max_size=20), st.sampled_from(planted or [b""]), st.sampled_from(planted or [b""]).map(lambda s: s[1:])
    )
    content = b"".join(data.draw(st.lists(fill, max_size=12)))
    found = np.zeros(len(needles), bool)
    NeedleIndex(needles).find(content, found)
    assert found.tolist() == [any(s in content for s in spellings(n)) for n in needles]


@settings(max_examples=100, deadline=None)
@given(NEEDLES, st.data())
def test_a_planted_spelling_is_found(needle: Needle, data: st.DataObject):
    spelling = data.draw(st.sampled_from(sorted(spelled(needle))))
    content = data.draw(st.binary(max_size=40)) + spelling + data.draw(st.binary(max_size=40))
    found = np.zeros(1, bool)
    NeedleIndex([needle]).find(content, found)
    assert found.all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 400), needle=st.sampled_from(ALL), number=st.integers(0, 100))
def test_borders_of_blocks_hide_nothing(
    place: int, needle: Needle, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(byte_scan, "BLOCK_BYTES", 64)
    options = sorted(spelled(needle))
    path = tmp_path / "file"
    path.write_bytes(b"." * place + options[number % len(options)] + b"." * 200)
    assert indices(path, ALL) == {ALL.index(needle)}


def test_nothing_is_found_by_accident(tmp_path: Path):
    rng = np.random.default_rng(1)
    needles = [Needle("uid", rng.bytes(16)) for _ in range(500)] + [
        Needle("text", b"the red dog on a sofa %d" % i) for i in range(500)
    ]
    (tmp_path / "random").write_bytes(rng.bytes(3_000_000))
    (tmp_path / "near").write_bytes(
        b"the red dog on a sofa x" * 10_000 + b"".join(n.value[:15] + bytes([n.value[15] ^ 1]) for n in needles[:500])
    )
    report = scan([tmp_path], needles)
    assert (report.files, report.bytes, report.hits) == (2, 3_238_000, ())


def test_short_texts_count_as_whole_values_only(tmp_path: Path):
    for content, is_hit in (
        (b'["hotdog"]', False),
        (b"dog", False),
        (b'{"a": "dog"}', True),
        (rb'{"a": "{\"b\": \"dog\"}"}', True),
    ):
        (tmp_path / "file").write_bytes(content)
        assert indices(tmp_path, [SHORT]) == ({0} if is_hit else set()), content
    pq.write_table(pa.table({"text": ["hotdog", "dogs"]}), tmp_path / "file")
    assert indices(tmp_path, [SHORT]) == set()
    pq.write_table(pa.table({"text": ["hotdog", "dog"]}), tmp_path / "file")
    assert indices(tmp_path, [SHORT, Needle("url", b"dog"), Needle("text", b"")]) == {0, 1}


def halves(needle: Needle) -> tuple[int, int]:
    return tuple(np.frombuffer(needle.value, ">u8").astype("<u8").view("<i8").tolist())


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_cells_of_parquet(compression: str, tmp_path: Path):
    hi, lo = halves(UID)
    text, sha = TEXT.value.decode(), SHA.value
    columns = {
        "plain": (pa.array(["x", None, text]), 2),
        "large": (pa.array(["x", f"say {text}!"], pa.large_string()), 2),
        "dictionary": (pa.array(["x", text, text]).dictionary_encode(), 2),
        "listed": (pa.array([[], None, ["y", text]]), 2),
        "binary": (pa.array([b"", sha]), 1),
        "fixed": (pa.array([sha, None], pa.binary(32)), 1),
        "struct": (pa.array([{"a": {"url": URL.value.decode()}}]), 3),
        "map": (pa.array([[("k", text)]], pa.map_(pa.string(), pa.string())), 2),
        "pairs": (pa.array([[{"uid_hi": hi, "uid_lo": lo}]]), 0),
        "json": (pa.array([json.dumps({"stats": json.dumps({"max": text})})]), 2),
    }
    for name, (array, number) in columns.items():
        pq.write_table(pa.table({"n": range(len(array)), name: array}), tmp_path / "f.parquet", compression=compression)
        assert indices(tmp_path, ALL) == {number}, name
    for kind in (pa.int64(), pa.uint64()):
        pair = [pa.array([1, None, number], pa.int64()).cast(kind, safe=False) for number in (hi, lo)]
        pq.write_table(pa.table({"uid_hi": pair[0], "other": ["a"] * 3, "uid_lo": pair[1]}), tmp_path / "f.parquet")
        assert indices(tmp_path, [SHA, UID, UID]) == {1, 2}
    pq.write_table(pa.table({"uid_hi": [hi, 1], "uid_lo": [2, lo]}), tmp_path / "f.parquet", write_statistics=False)
    assert indices(tmp_path, ALL) == set()


def test_neighbouring_cells_are_not_one(tmp_path: Path):
    text = TEXT.value.decode()
    pq.write_table(pa.table({"text": [text[:9], text[9:]]}), tmp_path / "f.parquet", compression="zstd", write_statistics=False)
    assert indices(tmp_path, ALL) == set()


def test_slices_and_many_rows_of_parquet(tmp_path: Path):
    rows = [f"caption number {i} of this file" for i in range(150_000)]
    pq.write_table(pa.table({"text": rows, "embedding": [[0.0]] * len(rows)}), tmp_path / "f.parquet", row_group_size=70_000)
    wanted = [0, 69_999, 70_000, 149_999]
    assert indices(
        tmp_path, [Needle("text", rows[i].encode()) for i in wanted] + [Needle("text", b"caption number x of")]
    ) == set(range(4))


def test_packed_files(tmp_path: Path):
    content = b"x" * 100 + TEXT.value + SHA.value.hex().encode()
    (tmp_path / "log.gz").write_bytes(gzip.compress(content))
    assert indices(tmp_path / "log.gz", ALL) == {1, 2}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("empty", b"")
        archive.writestr("member", content)
    assert indices(tmp_path / "a.zip", ALL) == {1, 2}
    np.savez_compressed(tmp_path / "a.npz", uid=np.frombuffer(UID.value, ">u8").astype("<u8"), other=np.zeros(9))
    assert indices(tmp_path / "a.npz", ALL) == {0}
    np.save(tmp_path / "a.npy", np.array([TEXT.value]))
    assert indices(tmp_path / "a.npy", ALL) == {2}


def test_values_of_sqlite_that_lie_in_pieces_in_its_file(tmp_path: Path):
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute('CREATE TABLE "a ""b" (x TEXT, y BLOB)')
    for place in range(3900, 4200, 3):
        connection.execute('INSERT INTO "a ""b" VALUES (?, ?)', ("." * place + TEXT.value.decode() + "." * 9000, b"x"))
    connection.execute('INSERT INTO "a ""b" VALUES (?, ?)', ("dog", zlib.compress(SHA.value * 3)))
    connection.commit()
    assert indices(path, ALL) == {1, 2, 4}  # from the log, which is not in the database yet
    connection.execute('DELETE FROM "a ""b" WHERE x <> ?', ("dog",))
    connection.commit()
    connection.execute("VACUUM")
    connection.close()
    assert indices(path, ALL) == {1, 4}
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


def test_where_it_looks_and_where_not(tmp_path: Path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside / "deep", outside):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(URL.value)
    (inside / "link").symlink_to(outside)
    (inside / "dangling").symlink_to(inside / "nothing")
    (inside / "filelink").symlink_to(outside / "file")
    os.mkfifo(inside / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(inside / "socket"))
    os.link(inside / "deep" / "file", inside / "same")
    report = scan([inside], [SHA, URL])
    assert report.hits == tuple(Hit(inside / name, "url", 1) for name in ("filelink", "same", "deep/file"))
    assert (report.files, report.bytes) == (3, 2 * len(URL.value))
    assert scan([inside], [URL], skip=[inside / "deep", inside / "same", inside / "filelink"]).files == 0
    assert scan([inside / "same"], [URL], skip=[inside / "same"]).hits == ()
    assert scan([], [URL]) == scan([inside / "deep"], [], skip=[inside / "deep" / "file"])


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.parquet", b""), ("a.parquet", b"PAR1 and no more"),
     ("a.gz", gzip.compress(b"x" * 99, mtime=0)[:-9]), ("a.zip", b"PK\3\4broken"),
     ("a.db", b"SQLite format 3\0" + b"\1" * 200)],
)  # fmt: skip
def test_a_damaged_file_proves_nothing(name: str, content: bytes, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LakeError, match=rf"{name} cannot be searched: .*nothing is proved"):
        scan([tmp_path], ALL)


def test_unreadable_and_missing_files(tmp_path: Path):
    with pytest.raises(LakeError, match=r"no folder or file .*/none to search"):
        scan([tmp_path / "none"], ALL)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(LakeError, match="loop cannot be searched"):
        scan([tmp_path], ALL)
    (tmp_path / "loop").unlink()
    if os.geteuid():
        (tmp_path / "secret").touch(mode=0)
        with pytest.raises(LakeError, match="secret cannot be searched: Permission denied"):
            scan([tmp_path], ALL)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("key", b"x", "kind 'key'; known: uid, sha256, text, url"),
        ("uid", b"0" * 32, "kind uid has 16 bytes, not 32; give raw bytes"),
        ("sha256", b"", "has 32 bytes, not 0"),
        ("text", b"\xff", "must be UTF-8: invalid start byte at byte 0"),
    ],
)
def test_needles_that_are_none(kind: str, value: bytes, message: str):
    with pytest.raises(ArgumentError, match=message):
        Needle(kind, value)
