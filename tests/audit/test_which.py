"""which: everything that holds a sample, against raw tables; and files that look like a picture of the pool."""

import dataclasses
import hashlib
import io
import json
import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from curation_assets.algorithms.web_address import host_and_path
from curation_assets.assets.apply import Applied
from curation_assets.assets.file_vector import file_vector
from curation_assets.audit.publish import publish
from curation_assets.audit.tombstones import Stones, write_tombstones
from curation_assets.audit.versions import versions
from curation_assets.audit.which import which
from curation_assets.errors import ArgumentError, EncoderError, LakeError
from curation_assets.holdings.project import Project, open_project
from curation_assets.recipe import check_recipe
from resources.delta import Lake
from tests.asked_project import ASKED, bytes_at, decided, joined, raw
from tests.small_project import TinyClip, make_project, run_apply

Curated = tuple[Project, Applied, dg.DagsterInstance]


def test_every_sample_is_held_by_what_raw_tables_say(asked: Project) -> None:
    rows = joined(asked.lake.root)
    expected = decided(rows)
    members = {r["pool_row"]: r for r in raw(f"{asked.lake.root}/published/mixed/v1", "members").to_dicts()}
    assert members
    for i, row in list(enumerate(rows.to_dicts()))[::4]:
        answer = which(asked, row["uid"].upper())
        (held,) = answer.samples
        assert (held.uid, held.shard, held.row, held.is_in_pool) == (row["uid"], row["shard"], row["row"], True)
        assert held.subsets == tuple(name for name in ASKED if expected[name][i][0])
        is_published = bool(expected["mixed"][i][0])
        assert [(v.name, v.shard, v.row) for v in held.versions] == [("mixed@1", row["shard"], row["row"])] * is_published
        assert held.match.how == "uid"


def test_urls_domains_and_digests(asked: Project) -> None:
    rows = joined(asked.lake.root)
    hosts = [host_and_path(url or "")[0] for url in rows["url"].to_list()]
    host = max(set(hosts) - {""}, key=hosts.count)
    parent = host.partition(".")[2]
    for domain in (host, host.upper() + ".", parent):
        wanted = {
            uid
            for uid, own in zip(rows["uid"].to_list(), hosts, strict=True)
            if own == domain.lower().rstrip(".") or own.endswith(f".{domain.lower().rstrip('.')}")
        }
        answer = which(asked, domain)
        assert (answer.kind, {held.uid for held in answer.samples}) == ("domain", wanted)
    row = rows.row(hosts.index(host), named=True)
    for text in (row["url"], row["url"].replace("https://", "http://user@WWW.") + "#part", row["image_sha256"].hex()):
        assert row["uid"] in {held.uid for held in which(asked, text).samples}
    assert not which(asked, "nowhere.example").found
    assert not which(asked, host.replace(".", "x", 1) + ".zz").found


def test_a_file_is_found_by_its_bytes(asked: Project, tmp_path: Path) -> None:
    row = joined(asked.lake.root).row(7, named=True)
    path = tmp_path / "picture"
    path.write_bytes(bytes_at(asked.recipe.folder, row["tar"], row["offset_bytes"], row["image_bytes"]))
    answer = which(asked, str(path))
    assert row["uid"] in {held.uid for held in answer.samples}
    assert {held.match.how for held in answer.samples} == {"bytes"}
    ways = [(way.how, way.is_searched) for way in answer.searched]
    assert ways == [("bytes", True), ("perceptual", False), ("cosine", False)]
    assert "--near looks for pictures that are alike" in answer.searched[1].remark


def test_a_copy_is_found_by_how_it_looks(asked: Project, tmp_path: Path) -> None:
    rows = joined(asked.lake.root).to_dicts()
    row = max(rows, key=lambda r: r["image_bytes"])
    picture = Image.open(
        io.BytesIO(bytes_at(asked.recipe.folder, row["tar"], row["offset_bytes"], row["image_bytes"]))
    ).convert("RGB")
    path = tmp_path / "copy.jpg"
    picture.save(path, quality=92)
    answer = which(asked, str(path), is_near=True, image_vector=file_vector(asked, TinyClip()))
    found = {held.uid: held.match for held in answer.samples}
    assert found[row["uid"]].how == "perceptual"
    assert found[row["uid"]].distance <= 4
    assert [way.is_searched for way in answer.searched] == [True, True, True]
    assert "2 shards of the live pool; versions by the uids found there" in answer.searched[1].remark
    for match in found.values():
        assert match.how != "cosine" or match.cosine >= 0.95
    mirrored = tmp_path / "mirrored.png"
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored)
    assert {held.uid: held.match.how for held in which(asked, str(mirrored)).samples}[row["uid"]] == "perceptual"


def test_what_could_not_be_searched_says_why(asked: Project, tmp_path: Path) -> None:
    path = tmp_path / "no picture.jpg"
    path.write_bytes(b"not a picture")
    answer = which(asked, str(path), is_near=True, image_vector=file_vector(asked, TinyClip(9)))
    assert not answer.found
    remarks = {way.how: (way.is_searched, way.remark) for way in answer.searched}
    assert remarks["perceptual"][0] is False
    assert "the file cannot be read as a picture" in remarks["perceptual"][1]
    assert remarks["cosine"] == (False, "the weights at tiny are no longer those that made the embeddings")
    assert which(asked, str(path)).searched[2].remark == "--near asks for it"
    assert which(asked, str(path), is_near=True).searched[2].remark == "no encoder was given"
    with pytest.raises(EncoderError, match="the file cannot be encoded: undecodable"):
        file_vector(asked, TinyClip())(path)


def test_a_pool_without_hashes_says_so(applied: Curated, tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("x")
    answer = which(applied[0], str(path))
    assert answer.searched[1].remark == "no method of this recipe needs perceptual hashes, so none are stored"


@pytest.mark.parametrize(
    "text", ["", "a b.c", "0" * 33, "/no/such/file", "..", "\x00", "*.example.org", "\udcff.org", "http://\udcff.org/a"]
)
def test_names_that_mean_nothing_are_refused(asked: Project, text: str) -> None:
    with pytest.raises(ArgumentError, match=r"accepted forms: a uid .*, a URL .*, a domain .*, an existing file"):
        which(asked, text)


def test_a_beginning_of_a_uid_says_how_long_it_is(asked: Project) -> None:
    with pytest.raises(ArgumentError, match=r"a uid \(32 hex digits\), .*; this has 12 hex digits"):
        which(asked, "31b68976b784")


def test_a_file_that_is_no_picture_gives_the_same_answer_each_time(asked: Project, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    answer = which(asked, str(tmp_path / "empty.jpg"))
    assert answer.searched[1].remark.endswith("cannot be read as a picture: UnidentifiedImageError: cannot identify image file")


def test_near_is_for_files(asked: Project) -> None:
    with pytest.raises(ArgumentError, match=r"--near compares pictures; 'example.org' is no file but a domain"):
        which(asked, "example.org", is_near=True)


def copied(project: Project, folder: Path) -> Project:
    """The same project over a copy of its lake, which may be damaged."""
    shutil.copytree(project.lake.root, folder / "lake")
    content = {**project.recipe.file.model_dump(mode="json", by_alias=True), "lake": str(folder / "lake")}
    return open_project(check_recipe(content, project.recipe.path))


def test_a_version_without_members_is_not_said_to_be_searched(asked: Project, tmp_path: Path) -> None:
    copy = copied(asked, tmp_path)
    shutil.rmtree(versions(copy)[0].folder / "members")
    answer = which(copy, joined(asked.lake.root)["uid"][0])
    assert any("mixed@1" in line and "members" in line for line in answer.unusable)
    assert "mixed@1" not in answer.versions


def test_what_was_taken_down_names_the_ticket(asked: Project, tmp_path: Path) -> None:
    copy, file = copied(asked, tmp_path), tmp_path / "picture.png"
    file.write_bytes(b"gone")
    digest = hashlib.sha256(b"gone").hexdigest()
    write_tombstones(copy.lake, Stones({"uid": ["a" * 32], "sha256": [digest], "domain": ["gone.example"]}, (), 0), "T-7", 1)
    for text, kind in (("A" * 32, "uid"), (str(file), "sha256"), ("img.gone.example", "domain"), ("gone.example", "domain")):
        answer = which(copy, text)
        assert (answer.found, [(gone.kind, gone.ticket) for gone in answer.taken_down]) == (False, [(kind, "T-7")])
    assert which(copy, "b" * 32).taken_down == which(copy, "other.example").taken_down == ()


def test_a_manifest_that_is_none_is_one_error(asked: Project, tmp_path: Path) -> None:
    copy = copied(asked, tmp_path)
    (versions(copy)[0].folder / "manifest.json").write_text("{}")
    with pytest.raises(LakeError, match=r"manifest\.json .*; curate audit says what else is wrong"):
        which(copy, "example.com")


def test_a_damaged_log_is_one_error_that_names_the_table(asked: Project, tmp_path: Path) -> None:
    copy = copied(asked, tmp_path)
    log = max((Path(copy.lake.root) / "subsets" / "mixed" / "_delta_log").glob("*.json"))
    log.write_text("x")
    with pytest.raises(LakeError, match=r"subsets/mixed"):
        which(copy, "example.com")


@pytest.mark.slow
def test_samples_that_only_a_version_has_still_are_found(tmp_path: Path, drawn_pool: Path) -> None:
    tars = tmp_path / "pool"
    tars.mkdir()
    for tar in (drawn_pool / "pool").glob("*.tar"):
        (tars / tar.name).write_bytes(tar.read_bytes())
    with dg.DagsterInstance.ephemeral() as instance:
        project = make_project(tmp_path, "pool/*.tar", {"basic": ASKED["basic"]})
        run_apply(project, instance)
        publish(project, "basic")
        rows = joined_uids(project)
        (tars / "00001.tar").unlink()
        run_apply(project, instance)
    gone = next(row for row in rows if row["pool_shard"] == "00001")
    (held,) = which(project, gone["uid"]).samples
    assert (held.is_in_pool, held.subsets, [v.name for v in held.versions]) == (False, (), ["basic@1"])
    assert (held.shard, held.row) == (gone["pool_shard"], gone["pool_row"])


def joined_uids(project: Project) -> list[dict[str, object]]:
    rows = raw(f"{project.lake.root}/published/basic/v1", "members").to_dicts()
    return [{**row, "uid": f"{row['uid_hi'] % 2**64:016x}{row['uid_lo'] % 2**64:016x}"} for row in rows]


def test_json_has_exactly_these_keys(asked: Project) -> None:
    uid = joined_version_uid(asked)
    answer = json.loads(json.dumps(dataclasses.asdict(which(asked, uid))))
    assert " ".join(answer) == "schema asked kind found pool_rows subsets versions searched unusable samples taken_down"
    (sample,) = answer["samples"]
    assert " ".join(sample) == "uid shard row is_in_pool match subsets versions"
    assert " ".join(sample["match"]) == "how distance cosine"
    assert " ".join(sample["versions"][0]) == "name published_at shard row"
    assert " ".join(answer["searched"][0]) == "how is_searched remark"
    assert answer["schema"] == 1


def joined_version_uid(project: Project) -> str:
    members = Lake(root=f"{project.lake.root}/published/mixed/v1").read("members")
    halves = (int(np.int64(members[name][0].as_py()).view(np.uint64)) for name in ("uid_hi", "uid_lo"))
    return "".join(f"{half:016x}" for half in halves)
