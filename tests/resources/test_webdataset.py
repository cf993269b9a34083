"""One shard into rows: every sample accounted for, whatever the tar holds."""

import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curation_assets.errors import PoolError
from resources.sample_facts import RejectedRow, SampleRow
from resources.webdataset import IMAGE_LIMIT_BYTES, SMALL_MEMBER_LIMIT_BYTES, ShardContents, read_shard

POOL = Path(__file__).parents[2] / ".." / "shared" / "data" / "real_pool"
MAX_PIXELS = 89_478_485


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (3, 2), shade).save(buffer, "PNG")
    return buffer.getvalue()


IMAGE = png()
Read = Callable[[list[tuple[str, bytes]] | bytes], ShardContents]
UID = "0123456789abcdef0123456789ABCDEF"


def as_tar(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name, payload in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(payload)
            file.addfile(entry, io.BytesIO(payload))
    return buffer.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(members: list[tuple[str, bytes]] | bytes) -> ShardContents:
        path = tmp_path / "00000.tar"
        path.write_bytes(members if isinstance(members, bytes) else as_tar(members))
        contents = read_shard(path, max_image_pixels=MAX_PIXELS)
        contents.check_accounts()
        for columns in (contents.kept, contents.rejected):
            pa.table(columns).validate(full=True)  # every string is valid UTF-8
        return contents

    return read


def rows(columns: dict[str, list[object]]) -> list[dict[str, object]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def sample(key: str, shade: int = 0, **fields: object) -> list[tuple[str, bytes]]:
    return [
        (f"{key}.png", png(shade)),
        (f"{key}.txt", f"caption of {key}".encode()),
        (f"{key}.json", json.dumps(fields).encode()),
    ]


def test_one_sample_gives_every_fact(read: Read) -> None:
    digest = hashlib.sha256(IMAGE)
    fields = {
        "uid": UID, "url": "http://x.org/a", "caption": "a cat", "width": 999, "sha256": digest.hexdigest().upper(),
        "license": "CC0", "b": [1.0, None], "a": "é",
    }  # fmt: skip
    contents = read([("a/b.png", IMAGE), ("a/b.txt", b"\xef\xbb\xbfa cat"), ("a/b.json", json.dumps(fields).encode())])
    assert rows(contents.kept) == [
        {
            "row": 0, "uid": bytes.fromhex(UID), "key": "a/b", "text": "a cat", "caption_source": "txt",
            "url": "http://x.org/a", "width": 3, "height": 2, "format": "PNG", "image_sha256": digest.digest(),
            "offset_bytes": 512, "image_bytes": len(IMAGE), "licence": "CC0", "is_sha256_matching": True, "remarks": "",
            "extra": '{"a":"é","b":[1.0,null],"width":999}',
        }
    ]  # fmt: skip
    assert contents.rejected == {name: [] for name in RejectedRow._fields}
    assert contents.samples_seen == 1


def test_without_json_the_uid_is_a_hash_of_image_and_caption(read: Read) -> None:
    (row,) = rows(read([("a.txt", "día".encode()), ("a.PNG", IMAGE)]).kept)
    assert row["uid"] == hashlib.sha256(IMAGE + b"\0" + "día".encode()).digest()[:16]
    nones = ("url", "licence", "is_sha256_matching", "extra")
    assert [row[name] for name in nones] == [None] * 4
    assert row["remarks"] == ""


@pytest.mark.parametrize("uid", ["xyz", "0" * 31, "0" * 31 + " ", "0" * 30 + "zz", 5, ["0" * 32], "٣" * 32])
def test_a_malformed_uid_is_remarked_and_kept_in_extra(read: Read, uid: object) -> None:
    (row,) = rows(read(sample("a", uid=uid)).kept)
    assert row["remarks"] == "uid_malformed"
    assert json.loads(row["extra"]) == {"uid": uid}
    assert row["uid"] == hashlib.sha256(IMAGE + b"\0caption of a").digest()[:16]


@pytest.mark.parametrize(
    ("txt", "fields", "text", "source", "remarks", "extra"),
    [
        (b"one", {"caption": "two"}, "one", "txt", "", '{"caption":"two"}'),
        (b"one", {"caption": "one", "text": "one"}, "one", "txt", "", None),
        (b"", {"caption": "two"}, "", "txt", "", '{"caption":"two"}'),
        (b" \n", None, " \n", "txt", "", None),
        (b"a\0b", None, "a\0b", "txt", "", None),
        (b"caf\xe9", {"caption": "café"}, "café", "json", "txt_invalid_utf8", None),
        (b"\xed\xa0\x80", {"text": "x"}, "x", "json", "txt_invalid_utf8", None),
        (None, {"caption": "two", "text": "three"}, "two", "json", "txt_missing", '{"text":"three"}'),
        (None, {"caption": None, "text": "three"}, "three", "json", "txt_missing", '{"caption":null}'),
        (None, {"caption": ""}, "", "json", "txt_missing", None),
        (b"x" * (SMALL_MEMBER_LIMIT_BYTES + 1), {"caption": "two"}, "two", "json", "txt_too_large", None),
    ],
)
def test_captions(
    read: Read,
    txt: bytes | None,
    fields: dict[str, str] | None,
    text: str,
    source: str,
    remarks: str,
    extra: str | None,
) -> None:
    members = [("a.png", IMAGE)]
    members += [] if txt is None else [("a.txt", txt)]
    members += [] if fields is None else [("a.json", json.dumps(fields).encode())]
    (row,) = rows(read(members).kept)
    assert (row["text"], row["caption_source"], row["remarks"], row["extra"]) == (text, source, remarks, extra)


def test_lone_surrogates_are_replaced_and_real_pairs_kept(read: Read) -> None:
    blob = rb'{"caption": "a \ud83d\ude00 \ud83d b", "url": "\udc00", "k\ud800": "\u00e9", "license": "\uDBFF"}'
    (row,) = rows(read([("a.png", IMAGE), ("a.json", blob)]).kept)
    assert (row["text"], row["url"], row["licence"]) == ("a 😀 \ufffd b", "\ufffd", "\ufffd")
    assert row["extra"] == '{"k\ufffd":"é"}'
    assert row["remarks"] == "json_lone_surrogate,txt_missing"
    (row,) = rows(read([("a.png", IMAGE), ("a.json", rb'{"caption": "\ud83d\ude00"}')]).kept)
    assert (row["text"], row["remarks"]) == ("😀", "txt_missing")


def test_keys_that_are_not_utf8_become_encodable_but_stay_apart(read: Read) -> None:
    names = ["caf\udce9.png", "caf\udcea.png"]
    contents = read([(name, png(n)) for n, name in enumerate(names)] + [(f"{name[:-3]}txt", b"x") for name in names])
    assert contents.kept["key"] == ["caf\ufffd", "caf\ufffd"]


PAIR = [("a.png", IMAGE), ("a.txt", b"x")]
TOO_LARGE = bytes(SMALL_MEMBER_LIMIT_BYTES + 1)
DEEP = b'{"a":' * 100 + b"1" + b"}" * 100
ABSURD = b"[" * 100_000


@pytest.mark.parametrize(
    ("members", "reason", "detail"),
    [
        ([("a.txt", b"x"), ("a.json", b"{}")], "missing_image", "members: ['json', 'txt']"),
        ([("README", b"hello")], "missing_image", "members: ['']"),
        ([(".gitkeep", b"")], "missing_image", "members: ['']"),
        ([("a.seg.png", IMAGE), ("a.txt", b"x")], "missing_image", "members: ['seg.png', 'txt']"),
        ([("a.png", b""), ("a.json", b"{")], "zero_bytes", "the image file is empty"),
        ([("a.png", b"<html>"), ("a.txt", b"\xff")], "not_an_image", "begins with the bytes 3c68746d6c3e"),
        ([("a.png", IMAGE[:40])], "truncated_image", ""),
        ([*PAIR, ("a.json", b"{")], "malformed_json", "Expecting property name"),
        ([*PAIR, ("a.json", b"")], "malformed_json", "Expecting value"),
        ([*PAIR, ("a.json", b"[1]")], "malformed_json", "found list"),
        ([*PAIR, ("a.json", b'{"a": "\xe9"}')], "malformed_json", "invalid UTF-8 at byte 7"),
        ([*PAIR, ("a.json", b'{"a": NaN}')], "malformed_json", "NaN is not json"),
        ([*PAIR, ("a.json", b'{"a": 1e999}')], "malformed_json", "64-bit float"),
        ([*PAIR, ("a.json", b'{"a":' + b"9" * 5000 + b"}")], "malformed_json", "digits"),
        ([*PAIR, ("a.json", DEEP)], "malformed_json", "deeper than 64"),
        ([*PAIR, ("a.json", ABSURD)], "malformed_json", "deeper than 64"),
        ([("a.png", IMAGE), ("a.json", TOO_LARGE)], "malformed_json", "too large to be read"),
        ([("a.png", IMAGE), ("a.txt", TOO_LARGE)], "missing_caption", "too large to be read"),
        ([("a.png", IMAGE)], "missing_caption", "neither txt nor a caption"),
        ([("a.png", IMAGE), ("a.json", b'{"caption": 5}')], "missing_caption", "neither txt nor a caption"),
        ([("a.png", IMAGE), ("a.txt", b"caf\xe9")], "invalid_utf8", "not UTF-8 at byte 3"),
    ],
)  # fmt: skip
def test_every_refusal_has_its_reason(read: Read, members: list[tuple[str, bytes]], reason: str, detail: str) -> None:
    contents = read(members)
    (row,) = rows(contents.rejected)
    assert contents.kept == {name: [] for name in SampleRow._fields}
    assert row["reason"] == reason
    assert detail in row["detail"]
    assert len(row["detail"]) <= 200


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
@pytest.mark.parametrize("name", ["a.png", "a.txt"])
def test_links_and_devices_refuse_their_sample(read: Read, kind: bytes, name: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "/etc/passwd"
        file.addfile(entry)
        entry = tarfile.TarInfo("a.json")
        entry.size = 2
        file.addfile(entry, io.BytesIO(b"{}"))
    (row,) = rows(read(buffer.getvalue()).rejected)
    assert (row["reason"], row["key"]) == ("not_a_regular_file", "a")


def test_an_image_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tar"
    entry = tarfile.TarInfo("a.png")
    entry.size = IMAGE_LIMIT_BYTES + 512
    with path.open("wb") as file:
        file.write(entry.tobuf())
        file.truncate(entry.size + 4 * 512)
    contents = read_shard(path, max_image_pixels=MAX_PIXELS)
    assert contents.rejected["reason"] == ["image_bomb"]


def test_directories_and_hidden_files_of_macos_are_no_samples(read: Read) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        entry = tarfile.TarInfo("./d.x")
        entry.type = tarfile.DIRTYPE
        file.addfile(entry)
        names = ["./d.x/._a.png", "__MACOSX/d/a.png", "d.x/.DS_Store", "./d.x/a.png", "d.x/a.txt", "d.x/a.npy"]
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(IMAGE) if name.endswith("png") else 0
            file.addfile(entry, io.BytesIO(IMAGE))
    contents = read(buffer.getvalue())
    assert contents.kept["key"] == ["d.x/a"]
    assert contents.samples_seen == 1


def test_a_repeated_extension_begins_another_sample_with_the_same_key(read: Read) -> None:
    contents = read([*sample("a", 1), *sample("b", 2), *sample("a", 3), ("a.txt", b"stray")])
    assert (contents.kept["row"], contents.kept["key"]) == ([0, 1, 2], ["a", "b", "a"])
    assert contents.kept["image_sha256"][2] == hashlib.sha256(png(3)).digest()
    assert rows(contents.rejected)[0]["reason"] == "missing_image"


def test_a_second_image_of_another_extension_is_ignored_and_remarked(read: Read) -> None:
    (row,) = rows(read([("a.png", IMAGE), ("a.jpg", b"junk"), ("a.txt", b"x")]).kept)
    assert (row["format"], row["remarks"]) == ("PNG", "second_image_ignored")


def test_the_first_kept_row_of_a_uid_wins(read: Read) -> None:
    broken = [("z.png", b""), ("z.json", json.dumps({"uid": UID}).encode())]
    contents = read([*broken, *sample("a", 1, uid=UID), *sample("b", 2), *sample("c", 3, uid=UID.lower())])
    assert contents.kept["row"] == [1, 2]
    (_, row) = rows(contents.rejected)
    assert (row["row"], row["reason"], row["detail"]) == (
        3,
        "duplicate_uid",
        f"uid {UID.lower()} is that of row 1, key 'a'",
    )


def test_rows_count_rejected_samples_too(read: Read) -> None:
    contents = read([*sample("a", 1), ("b.png", b""), *sample("c", 2)])
    assert (contents.kept["row"], contents.rejected["row"], contents.samples_seen) == ([0, 2], [1], 3)


def test_a_wrong_sha256_is_a_fact_and_no_refusal(read: Read) -> None:
    contents = read([*sample("a", 1, sha256="0" * 64), *sample("b", 2, sha256="junk"), *sample("c", 3, sha256=None)])
    assert contents.kept["is_sha256_matching"] == [False, False, None]
    assert contents.kept["extra"] == [None, None, '{"sha256":null}']


def facts_by_key(contents: ShardContents) -> dict[str, list[object]]:
    return {row["key"]: [row[name] for name in row if name not in ("row", "offset_bytes")] for row in rows(contents.kept)}


SHUFFLED = [member for n in range(6) for member in sample(f"d{n % 2}/{n}", n, uid=f"{n:032x}", url=f"u{n}")]


@settings(max_examples=40, deadline=None)
@given(st.permutations(SHUFFLED))
def test_the_order_of_members_changes_no_fact(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    found = []
    for name, order in (("sorted", SHUFFLED), ("shuffled", members)):
        (folder / name).write_bytes(as_tar(order))
        found.append(read_shard(folder / name, max_image_pixels=MAX_PIXELS))
    assert facts_by_key(found[0]) == facts_by_key(found[1])
    first_seen = list(dict.fromkeys(name.split(".")[0] for name, _ in members))
    assert found[1].kept["key"] == first_seen
    assert found[1].kept["row"] == list(range(6))


CUT = as_tar([member for n in range(4) for member in sample(f"{n}", n, uid=f"{n:032x}")])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(CUT) - 1))
def test_a_cut_tar_keeps_all_samples_before_the_cut_and_one_tail_row(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.tar"
    path.write_bytes(CUT[:length])
    contents = read_shard(path, max_image_pixels=MAX_PIXELS)
    contents.check_accounts()
    # Each sample takes 6 blocks: three headers, three payloads of one block or less; the last byte of json ends it.
    ends = [512 * (6 * n + 5) + len(json.dumps({"uid": f"{n:032x}"})) for n in range(4)]
    assert contents.kept["key"] == [f"{n}" for n, end in enumerate(ends) if end <= length]
    if length >= 512 * (24 + 2):
        assert contents.rejected["row"] == []
    else:
        assert contents.rejected["reason"] == ["tar_truncated"]
        assert contents.rejected["row"] == [len(contents.kept["row"])]


@pytest.mark.parametrize(
    ("cut", "key", "kept"),
    [
        (512 * 6, "", ["0"]),  # between samples, the next member unknown
        (512 * 7 + 3, "1", ["0"]),  # inside the image of sample 1
        (512 * 9, "1", ["0"]),  # after its image and the header of its caption
        (512 * 12 - 10, "", ["0", "1"]),  # inside the padding after its json
    ],
)
def test_the_tail_row_names_the_sample_that_was_being_read(read: Read, cut: int, key: str, kept: list[str]) -> None:
    contents = read(CUT[:cut])
    (row,) = rows(contents.rejected)
    assert (row["key"], contents.kept["key"]) == (key, kept)
    assert (f"sample {key!r} was being read" in row["detail"]) == bool(key)
    assert "byte" in row["detail"]


def test_a_flipped_header_swallows_the_incomplete_sample(read: Read) -> None:
    archive = bytearray(CUT)
    archive[512 * 8] ^= 1  # header of 1.txt
    contents = read(bytes(archive))
    (row,) = rows(contents.rejected)
    assert (row["reason"], row["key"], row["row"], row["offset_bytes"]) == ("bad_tar_header", "1", 1, 512 * 8)
    assert contents.kept["key"] == ["0"]


@pytest.mark.parametrize(
    ("archive", "reason"),
    [(b"", "tar_truncated"), (b"not a tar at all" * 100, "bad_tar_header"), (b"PK\3\4" + bytes(600), "bad_tar_header")],
)
def test_a_file_that_is_no_tar_is_one_tail_row(read: Read, archive: bytes, reason: str) -> None:
    contents = read(archive)
    assert (contents.samples_seen, contents.rejected["reason"], contents.rejected["row"]) == (1, [reason], [0])


def test_an_empty_tar_has_no_samples(read: Read) -> None:
    assert read([]).samples_seen == 0


def test_a_file_that_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=r"no\.tar cannot be read: No such file or directory; check that the path"):
        read_shard(tmp_path / "no.tar", max_image_pixels=1)
    with pytest.raises(PoolError, match="cannot be read: Is a directory"):
        read_shard(tmp_path, max_image_pixels=1)


def test_accounts_that_do_not_add_up_are_an_error(read: Read) -> None:
    contents = read([*sample("a", 1), *sample("b", 2)])
    with pytest.raises(PoolError, match="3 samples seen, but 2 kept"):
        contents._replace(samples_seen=3).check_accounts()


REASONS = {
    "zero_byte_image": "zero_bytes", "non_image_bytes": "not_an_image",
    "bomb_header": "image_bomb", "truncated_image": "truncated_image",
}  # fmt: skip


@pytest.mark.skipif(not POOL.is_dir(), reason="the shared real pool is not on this machine")
@pytest.mark.parametrize("verify", ["structure", pytest.param("decode", marks=pytest.mark.slow)])
def test_the_real_pool_is_accounted_for_sample_by_sample(verify: str) -> None:
    truth = {(row["shard"], row["key"]): row for row in pq.read_table(POOL / "ground_truth.parquet").to_pylist()}
    seen = Counter()
    for path in sorted((POOL / "pool").glob("*.tar")):
        contents = read_shard(path, max_image_pixels=MAX_PIXELS, verify=verify)
        contents.check_accounts()
        for row in rows(contents.kept):
            true = truth.pop((path.name, row["key"]))
            seen["kept"] += 1
            facts = ("width", "height", "image_bytes")
            assert [row[name] for name in facts] == [true[name] for name in facts]
            assert (row["row"], row["text"], row["format"]) == (true["ordinal"], true["caption"], true["image_format"])
            assert (row["uid"].hex(), row["image_sha256"].hex()) == (true["uid"], true["image_sha256"])
            assert row["is_sha256_matching"] == (true["defect"] != "sha256_mismatch")
            remarks = {"missing_txt": "txt_missing", "invalid_utf8_caption": "txt_invalid_utf8"}
            assert row["remarks"] == remarks.get(true["defect"], "")
        for row in rows(contents.rejected):
            true = truth.pop((path.name, row["key"]))
            seen[row["reason"]] += 1
            assert row["reason"] == REASONS.get(true["defect"], "duplicate_uid")
            assert row["reason"] != "duplicate_uid" or (path.name == "00000.tar" and "duplicate_uid" in true["defect"])
    assert truth == {}
    assert seen == {
        "kept": 2827, "zero_bytes": 8, "not_an_image": 15, "image_bomb": 4, "truncated_image": 30, "duplicate_uid": 2,
    }  # fmt: skip


@pytest.mark.parametrize("with_json", [True, False])
def test_bytes_after_the_end_are_one_row_and_cost_no_whole_sample(read: Read, with_json: bool) -> None:
    members = [member for i in range(3) for member in [(f"{i}.png", png(i)), (f"{i}.txt", b"a caption")]]
    if with_json:
        members = [*members, *((f"{i}.json", b"{}") for i in range(3))]
    contents = read(as_tar(members) + b"something that is no tar")
    assert contents.kept["key"] == ["0", "1", "2"]
    assert contents.rejected["reason"] == ["data_after_end"]
    contents.check_accounts()
