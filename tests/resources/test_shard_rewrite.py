"""Samples leave a tar whole; all other bytes stay as they were."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import ArgumentError, PoolError
from resources.shard_rewrite import RewrittenShard, remove_members
from resources.webdataset import split_member_name

Members = list[tuple[str, bytes]]
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


MEMBERS = st.tuples(
    st.sampled_from(["a", "b", "d/a", "c.d/a", "longé" * 30]),
    st.sampled_from(["jpg", "txt", "seg.png", "json"]),
    st.integers(0, 1100),
)


def as_tar(members: Members, style: str = "pax", shared: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=FORMATS[style], pax_headers=shared or {}) as file:
        for name, payload in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(payload)
            file.addfile(entry, io.BytesIO(payload))
    return buffer.getvalue()


def content(path: Path) -> Members:
    with tarfile.open(path) as file:
        return [(m.name, file.extractfile(m).read() if m.isfile() else b"") for m in file]


def offsets(path: Path) -> dict[str, int]:
    with tarfile.open(path) as file:
        return {m.name: m.offset_data for m in file}


def sample(key: str, size: int = 700) -> Members:
    return [(f"{key}.jpg", key.encode() * size), (f"{key}.txt", b"caption"), (f"{key}.json", b"{}")]


@pytest.mark.parametrize("style", FORMATS)
def test_the_rest_is_what_a_tar_without_the_sample_would_be(style: str, tmp_path: Path):
    path = tmp_path / "a.tar"
    keys = ["00", "dir/01", "02", ("x" * 90 + "/") * (2 if style == "ustar" else 3) + "03", "04é"]
    path.write_bytes(as_tar([m for key in keys for m in sample(key)], style))
    path.chmod(0o640)
    before = path.stat().st_size
    wanted = [offsets(path)[f"{keys[i]}.jpg"] for i in (1, 3)]
    done = remove_members(path, wanted)
    rest = as_tar([m for i in (0, 2, 4) for m in sample(keys[i])], style)
    assert path.read_bytes().rstrip(b"\0") == rest.rstrip(b"\0")
    assert done == RewrittenShard(path, 2, 6, before, path.stat().st_size, 0)
    assert (before - path.stat().st_size) % 512 == 0
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["a.tar"]
    assert [name for name, _ in content(path)] == [name for i in (0, 2, 4) for name, _ in sample(keys[i])]


@settings(max_examples=80, deadline=None)
@given(st.lists(MEMBERS, max_size=14), st.sampled_from(sorted(FORMATS)), st.data())
def test_any_tar(tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str, int]], style: str, data: st.DataObject):
    if style == "ustar":
        drawn = [member for member in drawn if not member[0].startswith("long")]
    members = [(f"{key}.{extension}", bytes([65 + i]) * size) for i, (key, extension, size) in enumerate(drawn)]
    path = tmp_path_factory.mktemp("any") / "a.tar"
    path.write_bytes(as_tar(members, style))
    with tarfile.open(path) as file:
        places = [m.offset_data for m in file]
    chosen = data.draw(st.sets(st.sampled_from(range(len(members))))) if members else set()
    owner, newest = [], {}  # (key, how often its extension came before) is the sample
    for name, _ in members:
        key, extension = split_member_name(name)
        if key not in newest or extension in newest[key][1]:
            newest[key] = (len(owner), set())
        newest[key][1].add(extension)
        owner.append(newest[key][0])
    gone = {owner[i] for i in chosen}
    done = remove_members(path, [places[i] for i in chosen])
    assert content(path) == [m for m, sample in zip(members, owner, strict=True) if sample not in gone]
    assert (done.samples, done.members) == (len(gone), sum(sample in gone for sample in owner))


def test_members_far_apart_go_and_a_second_sample_of_the_same_key_stays(tmp_path: Path):
    path = tmp_path / "a.tar"
    path.write_bytes(
        as_tar([("1.jpg", b"A"), ("2.jpg", b"B"), ("1.txt", b"a"), ("1.jpg", b"C"), ("1.txt", b"c"), ("2.txt", b"b")])
    )
    with tarfile.open(path) as file:
        first = next(iter(file)).offset_data
    assert remove_members(path, [first, first]).members == 2
    assert content(path) == [("2.jpg", b"B"), ("1.jpg", b"C"), ("1.txt", b"c"), ("2.txt", b"b")]


def test_global_headers_and_the_end_of_an_archive_stay(tmp_path: Path):
    path = tmp_path / "a.tar"
    long = "y" * 200
    path.write_bytes(as_tar(sample(long) + sample("1"), shared={"comment": "shared"}) + as_tar(sample("2") + sample("3")))
    with tarfile.open(path, ignore_zeros=True) as file:
        places = {m.name: m.offset_data for m in file}
    remove_members(path, [places[f"{long}.jpg"], places["2.jpg"]])
    with tarfile.open(path, ignore_zeros=True) as file:
        assert [m.name for m in file] == [name for key in "13" for name, _ in sample(key)]
        assert file.pax_headers["comment"] == "shared"
    assert b"yyy" not in path.read_bytes()


def test_hidden_files_of_macos_and_directories(tmp_path: Path):
    path = tmp_path / "a.tar"
    hidden = [("./d/._1.jpg", b"preview"), ("__MACOSX/d/._1.txt", b"x"), ("d/._2.jpg", b"y"), ("d/.DS_Store", b"z")]
    path.write_bytes(as_tar([*hidden, *sample("d/1"), *sample("d/2")]))
    places = offsets(path)
    assert remove_members(path, [places["d/1.jpg"]]).members == 5
    assert content(path) == [*hidden[2:], *sample("d/2")]
    with pytest.raises(ArgumentError, match="no member of a sample begins at byte 512 "):
        remove_members(path, [512])


def test_nothing_asked_nothing_written_and_all_asked_leaves_an_empty_tar(tmp_path: Path):
    path = tmp_path / "a.tar"
    path.write_bytes(as_tar(sample("1") + sample("2")))
    before = path.stat().st_mtime_ns
    assert remove_members(path, []).members == 0
    assert path.stat().st_mtime_ns == before
    remove_members(path, [offsets(path)[f"{n}.jpg"] for n in (1, 2)])
    assert content(path) == []
    assert set(path.read_bytes()) == {0}


def test_links_are_followed_and_other_names_are_counted(tmp_path: Path):
    path, link = tmp_path / "a.tar", tmp_path / "link.tar"
    path.write_bytes(as_tar(sample("1") + sample("2")))
    link.symlink_to(path)
    os.link(path, tmp_path / "same.tar")
    done = remove_members(link, [offsets(path)["1.jpg"]])
    assert (done.path, done.other_names) == (path, 1)
    assert link.is_symlink()
    assert len(content(path)) == 3
    assert len(content(tmp_path / "same.tar")) == 6


def test_refused_offsets_change_nothing(tmp_path: Path):
    path = tmp_path / "a.tar"
    path.write_bytes(as_tar(sample("1") + sample("2")))
    before, place = path.read_bytes(), offsets(path)["1.jpg"]
    for wrong in (0, place + 1, -512, 10**9):
        with pytest.raises(
            ArgumentError, match=rf"begins at byte {wrong} of .*a.tar \(1 of 2 offsets are unknown\); nothing was changed"
        ):
            remove_members(path, [place, wrong])
    with pytest.raises(ArgumentError, match="is not the one that was ingested from there; nothing was changed"):
        remove_members(path, [place], sha256={place: bytes(32)})
    assert path.read_bytes() == before
    remove_members(path, [place], sha256={place: hashlib.sha256(b"1" * 700).digest()})
    assert os.listdir(tmp_path) == ["a.tar"]


def test_damage(tmp_path: Path):
    path = tmp_path / "a.tar"
    whole = as_tar(sample("1") + sample("2", 3000))
    path.write_bytes(whole)
    places = offsets(path)
    path.write_bytes(whole[: places["2.jpg"] + 1000])
    remove_members(path, [places["1.jpg"]])
    assert path.read_bytes() == whole[places["2.jpg"] - 512 : places["2.jpg"] + 1000]
    path.write_bytes(whole[: places["1.txt"] + 3])
    with pytest.raises(PoolError, match=r"is damaged inside a sample that is to be removed .tar_truncated"):
        remove_members(path, [places["1.jpg"]])
    with pytest.raises(PoolError, match=r"cannot be removed from shard .*none.tar: No such file"):
        remove_members(tmp_path / "none.tar", [1])


def test_a_shard_that_changes_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.tar"
    path.write_bytes(as_tar(sample("1") + sample("2")))
    place = offsets(path)["1.jpg"]
    monkeypatch.setattr("resources.shard_rewrite.os.fsync", lambda number: path.write_bytes(b"new"))
    with pytest.raises(PoolError, match="was changed while it was rewritten; nothing was replaced"):
        remove_members(path, [place])
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"new", ["a.tar"])
