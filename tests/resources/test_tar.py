"""The tar walk against tarfile, which reads the same bytes slowly and in another way."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.tar import EXTENSION_LIMIT_BYTES, Damage, TarWalk
from resources.tar_header import BLOCK_BYTES, pax_keywords

Entry = tuple[str, int, bytes]
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def walked(archive: bytes) -> tuple[list[Entry], Damage | None]:
    walk = TarWalk(io.BytesIO(archive))
    entries = [(m.name, m.offset, walk.payload() if m.kind == "regular" else b"") for m in walk]
    return entries, walk.damage


def read_by_tarfile(archive: bytes) -> list[Entry]:
    entries = []
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as file:
            for member in file:
                payload = file.extractfile(member).read() if member.isreg() else b""
                entries.append((member.name.rstrip("/"), member.offset_data, payload))
    except (tarfile.TarError, EOFError, ValueError):
        pass
    return entries


def tar_of(members: list[tuple[str, bytes]], format: str = "pax", **pax: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=FORMATS[format], pax_headers=pax) as file:
        for name, payload in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(payload)
            # webdataset writes fractions of a second, which PAX keeps in a header of its own.
            entry.mtime = 1.5 if format == "pax" else 1
            file.addfile(entry, io.BytesIO(payload))
    return buffer.getvalue()


def with_checksum(header: bytes) -> bytes:
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


def header_of(name: bytes, size: bytes, kind: bytes = b"0", magic: bytes = b"ustar\x0000") -> bytes:
    fields = name.ljust(100, b"\0") + b"0000644\0" * 3 + size.ljust(12, b"\0") + b"00000000000\0" + b" " * 8 + kind
    return with_checksum((fields + bytes(100) + magic).ljust(BLOCK_BYTES, b"\0"))


END = bytes(2 * BLOCK_BYTES)
NAMES = ["a.jpg", "dir/b.txt", "x" * 120 + ".json", "d/" * 90 + "long.png", "späß/中文.webp", "n" * 99, "p" * 100]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_reads_as_tarfile_reads_it(format: str) -> None:
    # USTAR cannot hold a name of more than 100 characters without a slash.
    names = [name for name in NAMES if format != "ustar" or len(name) <= 100 or "/" in name]
    archive = tar_of([(name, name.encode() * n) for n, name in enumerate(names)], format)
    entries, damage = walked(archive)
    assert damage is None
    assert entries == read_by_tarfile(archive)
    assert [name for name, _, _ in entries] == names


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text(st.characters(exclude_characters="/\0"), min_size=1), st.binary(max_size=1100)), max_size=6),
    st.sampled_from(["gnu", "pax"]),
)
def test_any_names_and_payloads_read_as_tarfile_reads_them(members: list[tuple[str, bytes]], format: str) -> None:
    archive = tar_of([(name.encode("utf-8", "replace").decode(), payload) for name, payload in members], format)
    entries, damage = walked(archive)
    assert damage is None
    assert entries == read_by_tarfile(archive)


def sound_archive() -> bytes:
    members = [(name, bytes(range(256)) * n) for n, name in enumerate(NAMES)]
    return tar_of(members, "pax", comment="global")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(sound_archive()) - 1))
def test_truncation_is_reported_and_loses_nothing_before_it(length: int) -> None:
    archive = sound_archive()
    entries, damage = walked(archive[:length])
    whole = read_by_tarfile(archive)
    assert entries == whole[: len(entries)]
    payload_end = max(offset + len(payload) for _, offset, payload in whole)
    content_end = -(-payload_end // BLOCK_BYTES) * BLOCK_BYTES
    if length < content_end + 2 * BLOCK_BYTES:
        assert damage is not None
        assert damage.reason == "tar_truncated"
    else:
        assert damage is None
    assert len(entries) == sum(offset + len(payload) <= length for _, offset, payload in whole)


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(sound_archive()) - 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_never_raise_and_agree_with_tarfile_up_to_the_damage(flips: list[tuple[int, int]]) -> None:
    archive = bytearray(sound_archive())
    for position, mask in flips:
        archive[position] ^= mask
    entries, damage = walked(bytes(archive))
    assert entries == read_by_tarfile(bytes(archive))[: len(entries)]
    if damage is None:
        assert len(entries) == len(NAMES)
    else:
        assert damage.reason in ("bad_tar_header", "tar_truncated", "data_after_end")
        assert 0 <= damage.offset <= len(archive)
        assert damage.detail.isprintable()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 511), st.integers(1, 255))
def test_one_flipped_byte_of_a_header_is_found(position: int, mask: int) -> None:
    archive = bytearray(tar_of([("a.jpg", b"1" * 600), ("b.jpg", b"2" * 600)], "gnu"))
    archive[1536 + position] ^= mask
    entries, damage = walked(bytes(archive))
    is_in_slack = position in (154, 155)
    assert is_in_slack or damage is not None
    assert entries[0] == ("a.jpg", 512, b"1" * 600)
    assert is_in_slack or len(entries) == 1


def test_random_bytes_are_no_tar() -> None:
    entries, damage = walked(b"\x1f\x8b" + bytes(600))
    assert entries == []
    assert damage == Damage(
        "bad_tar_header", 0, "header checksum does not match at byte 0; this is a gzip file, unpack it first"
    )


@pytest.mark.parametrize(
    ("archive", "reason", "message"),
    [
        (b"", "tar_truncated", "the file ends at byte 0 with no end marker"),
        (header_of(b"a.jpg", b"00000000000"), "tar_truncated", "ends at byte 512 with no end marker"),
        (header_of(b"a.jpg", b"00000000000") + bytes(512), "tar_truncated", "not two zero blocks"),
        (header_of(b"a.jpg", b"00000000000") + bytes(512) + b"x" * 512, "tar_truncated", "not two zero blocks"),
        (header_of(b"a.jpg", b"00000000000") + b"x" * 100, "tar_truncated", "100 bytes of a header"),
        (
            header_of(b"a.jpg", b"00000001000") + bytes(511),
            "tar_truncated",
            "needs 512 bytes, the file ends at byte 1023",
        ),
        (header_of(b"a.jpg", b"\xff" * 12) + END, "bad_tar_header", "impossible size field"),
        (header_of(b"a.jpg", b"-0000000001") + END, "bad_tar_header", "impossible size field"),
        (header_of(b"a.jpg", b"0000000zz00") + END, "bad_tar_header", "impossible size field"),
        (header_of(b"a.jpg", b"\x80" + b"\xff" * 11) + END, "tar_truncated", "needs"),
        (header_of(b"a.jpg", b"0", b"S") + END, "bad_tar_header", "GNU sparse member"),
        (
            header_of(b"@", b"%011o" % (EXTENSION_LIMIT_BYTES + 1), b"x") + bytes(1 << 21),
            "bad_tar_header",
            "at most 1048576",
        ),
        (
            header_of(b"@", b"00000000005", b"x") + b"5 a=b".ljust(512, b"\0") + END,
            "bad_tar_header",
            "malformed record",
        ),
        (header_of(b"@", b"00000000020", b"x") + b"9 size=x\n".ljust(512, b"\0"), "tar_truncated", "no end marker"),
        (header_of(b"@", b"00000002000", b"L") + bytes(512), "tar_truncated", "needs 1024 bytes"),
        (
            header_of(b"@", b"00000000004", b"L") + b"name".ljust(512, b"\0") + END,
            "tar_truncated",
            "end marker at byte 1024",
        ),
    ],
)
def test_damage_is_reported_with_its_place(archive: bytes, reason: str, message: str) -> None:
    _, damage = walked(archive)
    assert damage is not None
    assert damage.reason == reason
    assert message in damage.detail


@pytest.mark.parametrize("record", [b"13 size=123x\n", b"12 size=-12\n"])
def test_a_size_that_is_no_number_is_damage(record: bytes) -> None:
    pax = header_of(b"@", b"%011o" % len(record), b"x") + record.ljust(512, b"\0")
    entries, damage = walked(pax + header_of(b"a.jpg", b"00000000000") + END)
    assert entries == []
    assert damage is not None
    assert "PAX size" in damage.detail


def test_sparse_members_of_pax_are_refused() -> None:
    record = b"22 GNU.sparse.major=1\n"
    pax = header_of(b"@", b"%011o" % len(record), b"x") + record.ljust(512, b"\0")
    _, damage = walked(pax + header_of(b"a.jpg", b"00000000000") + END)
    assert damage is not None
    assert "GNU sparse member" in damage.detail


def test_a_header_that_describes_no_member_is_damage() -> None:
    record = b"13 mtime=1.5\n"
    _, damage = walked(header_of(b"@", b"%011o" % len(record), b"x") + record.ljust(512, b"\0") + END)
    assert damage is not None
    assert "end marker at byte 1024" in damage.detail


def test_pax_size_and_path_outrank_the_header() -> None:
    records = b"17 path=new/name\n" + b"10 size=3\n"
    pax = header_of(b"@", b"%011o" % len(records), b"x") + records.ljust(512, b"\0")
    entries, damage = walked(pax + header_of(b"old", b"77777777777") + b"abc".ljust(512, b"\0") + END)
    assert (entries, damage) == ([("new/name", 1536, b"abc")], None)


def test_a_global_path_holds_until_the_members_own() -> None:
    shared, own = b"15 path=shared\n", b"12 path=own\n"
    archive = (
        header_of(b"@", b"%011o" % len(shared), b"g")
        + shared.ljust(512, b"\0")
        + header_of(b"a", b"0")
        + header_of(b"@", b"%011o" % len(own), b"x")
        + own.ljust(512, b"\0")
        + header_of(b"b", b"0")
        + END
    )
    entries, damage = walked(archive)
    assert damage is None
    assert [name for name, _, _ in entries] == ["shared", "own"]
    assert entries == read_by_tarfile(archive)


def test_old_headers_signed_sums_and_base_256_sizes_read() -> None:
    v7_directory = header_of(b"old/", b"0", b"\0", magic=b"")
    accented = bytearray(header_of(b"caf\xe9.jpg", b"\x80" + (3).to_bytes(11, "big"), magic=b""))
    signed = sum(byte - 256 * (byte > 127) for byte in accented[:148] + b" " * 8 + accented[156:])
    accented[148:156] = b"%06o\0 " % signed
    entries, damage = walked(v7_directory + bytes(accented) + b"abc".ljust(512, b"\0") + END)
    assert damage is None
    assert entries == [("old", 512, b""), ("caf\udce9.jpg", 1024, b"abc")]


def test_kinds_and_links_without_payload() -> None:
    archive = b"".join(header_of(b"m" + kind, b"00000000777", kind) for kind in (b"1", b"2", b"3", b"5")) + END
    walk = TarWalk(io.BytesIO(archive))
    assert [(m.name, m.size, m.kind) for m in walk] == [
        ("m1", 0, "other"), ("m2", 0, "other"), ("m3", 0, "other"), ("m5", 0, "directory"),
    ]  # fmt: skip
    assert walk.damage is None


def test_zeros_after_the_end_marker_are_padding_and_anything_else_is_damage() -> None:
    archive = tar_of([("a.jpg", b"1")])
    assert walked(archive + bytes(12_345))[1] is None
    entries, damage = walked(archive + b"garbage")
    assert len(entries) == 1
    assert damage == Damage(
        "data_after_end", len(archive), f"7 bytes that are no tar follow the end marker, from byte {len(archive)} on"
    )


def test_a_hole_of_zeros_in_the_middle_is_not_the_end() -> None:
    archive = bytearray(tar_of([(f"{i}.jpg", bytes([i + 1]) * 900) for i in range(9)]))
    start = 512 + 1024  # header and payload of the first member
    archive[start : start + 512 * 3 + 700] = bytes(512 * 3 + 700)
    entries, damage = walked(bytes(archive))
    assert [entry[0] for entry in entries] == ["0.jpg"]
    assert damage is not None
    assert damage.reason == "data_after_end"


class ShrinkingFile(io.BytesIO):
    """A file that loses its tail once its size was asked for, as when a copy is restarted under the reader."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        end = super().seek(offset, whence)
        if whence == io.SEEK_END:
            self.truncate(700)
        return end


def test_a_file_that_shrinks_under_the_walk_is_damage() -> None:
    walk = TarWalk(ShrinkingFile(tar_of([("a.jpg", b"1" * 600), ("b.jpg", b"2")], "gnu")))
    assert [(member.name, walk.payload()) for member in walk] == [("a.jpg", None)]
    assert walk.damage == Damage("tar_truncated", 512, "the file shrank while being read, near byte 512")


def test_payloads_may_be_skipped() -> None:
    walk = TarWalk(io.BytesIO(tar_of([("a.jpg", b"1" * 5000), ("b.jpg", b"2" * 7000)])))
    assert [(member.name, member.size) for member in walk] == [("a.jpg", 5000), ("b.jpg", 7000)]
    assert walk.damage is None


@pytest.mark.parametrize(
    "payload", [b"path=x\n", b"x path=x\n", b"99 path=x\n", b"9 path=x ", b"3 path=x\n", b"7 pathx\n", b" 9 path=x\n"]
)
def test_malformed_pax_records_are_not_guessed(payload: bytes) -> None:
    assert pax_keywords(payload) is None


@given(st.dictionaries(st.from_regex(rb"[a-zA-Z.]{1,12}", fullmatch=True), st.binary(max_size=200), max_size=5))
def test_pax_records_round_trip(keywords: dict[bytes, bytes]) -> None:
    payload = b""
    for keyword, value in keywords.items():
        rest = len(keyword) + len(value) + 3
        length = next(n for n in range(rest, rest + 5) if n == rest + len(str(n)))
        payload += b"%d %s=%s\n" % (length, keyword, value)
    assert pax_keywords(payload) == keywords


@pytest.mark.parametrize("gap", [0, 1, 37])
def test_concatenated_archives_are_one(gap: int) -> None:
    first, second = tar_of([("a.jpg", b"1" * 700)]), tar_of([("b.jpg", b"2"), ("c.txt", b"")])
    entries, damage = walked(first + bytes(512 * gap) + second)
    with tarfile.open(fileobj=io.BytesIO(first + bytes(512 * gap) + second), ignore_zeros=True) as oracle:
        assert [entry[0] for entry in entries] == [member.name for member in oracle]
    assert damage is None


def test_damage_in_a_second_archive_is_reported() -> None:
    first, second = tar_of([("a.jpg", b"1")]), tar_of([("b.jpg", b"2" * 600)])
    entries, damage = walked(first + second[:700])
    assert [entry[0] for entry in entries] == ["a.jpg"]
    assert damage is not None
    assert damage.reason == "tar_truncated"
