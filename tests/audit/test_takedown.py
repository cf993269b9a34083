"""Takedowns on a drawn pool: what is left is what would have been made without the samples, and nothing of them is found."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation_assets.algorithms.digest import partition_version
from curation_assets.algorithms.identity import uid_digest, uid_hex
from curation_assets.audit import takedown_steps
from curation_assets.audit.audit import audit
from curation_assets.audit.contains import contains
from curation_assets.audit.diff import diff
from curation_assets.audit.journal import journal_path
from curation_assets.audit.publish import publish
from curation_assets.audit.receipts import read_receipts
from curation_assets.audit.takedown import preview_takedown, take_down
from curation_assets.audit.takedown_steps import Outside
from curation_assets.audit.verify import verify
from curation_assets.audit.versions import leaves_digest, open_version, uid_leaves
from curation_assets.audit.why import why
from curation_assets.errors import ArgumentError, LakeError
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import read_state
from resources.delta import Lake, Part
from tests.audit.takedown_project import (
    NOWHERE,
    content,
    copied,
    made,
    pool_rows,
    project_over,
    request,
    taken,
    versions,
    with_takedowns_of,
)
from tests.small_project import make_project

pytestmark = pytest.mark.slow  # makes lakes


@pytest.fixture(scope="module")
def pool(drawn_pool: Path) -> Path:
    return drawn_pool / "pool"


@pytest.fixture(scope="module")
def origin(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Everything made, a version published; copied, never changed."""
    project = made(project_over(tmp_path_factory.mktemp("origin"), pool))
    publish(project, "aligned")
    return project


@pytest.fixture
def project(origin: Project, pool: Path, tmp_path: Path) -> Project:
    return copied(origin, tmp_path / "copy", pool)


def some_uids(project: Project) -> list[str]:
    """Rows of both shards, among them the last one that the subset `aligned` keeps."""
    cut = project.lake.read("cuts/aligned/cut_1").to_pylist()[0]
    rows = pool_rows(project)
    last = next(r["uid"] for r in rows if (r["uid_hi"], r["uid_lo"]) == (cut["cut_uid_hi"], cut["cut_uid_lo"]))
    return [rows[3]["uid"], rows[-5]["uid"], last]


def alone(project: Project) -> list[dict[str, object]]:
    """Rows of raw_pool whose image bytes no other row has."""
    rows = pool_rows(project)
    counts = Counter(row["image_sha256"] for row in rows)
    return [row for row in rows if counts[row["image_sha256"]] == 1]


def files(root: Path) -> dict[str, str]:
    paths = (path for path in root.rglob("*") if path.is_file() and "_locks" not in path.parts)
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_stored_data_versions_can_be_computed_from_stored_rows(origin: Project):
    checked = 0
    for node in origin.graph.values():
        for shard, record in origin.lake.records(node.name).items():
            if node.name != "encoder":  # its version is that of its weights
                digest = record["uid_digest"]
                rows = origin.lake.snapshot(node.name).read(shard)
                assert partition_version(rows, None if digest is None else str(digest)) == record["data_version"], node.name
                checked += 1
    assert checked > 30


def test_a_lake_after_a_takedown_is_one_that_never_had_the_samples(
    origin: Project, project: Project, pool: Path, tmp_path: Path
):
    uids = some_uids(project)
    (done,) = taken(project, *uids)
    assert done.is_finished
    assert done.receipt == 1
    (receipt,) = read_receipts(Path(project.lake.root))
    assert done.receipt_sha256 == hashlib.sha256(receipt.path.read_bytes()).hexdigest()
    assert not done.hits
    planned = {planned.name.partition("[")[0] for planned in read_state(project).planned.values() if planned.is_certain}
    assert planned == {"centroids", "cuts/aligned/cut_1", "scores/phash_distance"}
    assert read_state(project).records[("cuts", "aligned", "cut_1")][None]["failed_checks"] == ["takedown"]
    made(project)
    scratch = made(with_takedowns_of(project_over(tmp_path / "scratch", pool), project))
    assert versions(project) == versions(scratch)
    assert versions(project) != versions(origin)
    left = {row["uid"] for row in pool_rows(project)}
    assert left == {row["uid"] for row in pool_rows(origin)} - set(uids)
    rejected = project.lake.read("rejected_samples").to_pylist()
    assert [(r["key"], r["detail"]) for r in rejected if r["reason"] == "takedown:T-1"] == [("", "")] * 3
    before = origin.lake.read("rejected_samples").num_rows + origin.lake.read("raw_pool").num_rows
    assert len(rejected) + len(left) == before


def test_every_kind_of_selector_means_the_rows_that_a_plain_look_finds(origin: Project):
    rows = pool_rows(origin)
    hashes = {(r["shard"], r["row"]): r for r in origin.lake.read("perceptual_hashes").to_pylist()}
    one = next(row for row in rows if row["url"])
    host = one["url"].split("/")[2]
    plain = hashes[one["shard"], one["row"]]["perceptual_hash"]
    bits = {key: (h["perceptual_hash"], h["mirrored_hash"]) for key, h in hashes.items()}
    wanted = {
        one["uid"]: lambda r: r["uid"] == one["uid"],
        one["image_sha256"].hex(): lambda r: r["image_sha256"] == one["image_sha256"],
        one["url"]: lambda r: r["url"] == one["url"],
        host: lambda r: (r["url"] or "").split("/")[2:3] == [host],
        f"phash:{plain % 2**64:016x}": lambda r: any(
            ((plain ^ b) % 2**64).bit_count() <= 4 for b in bits[r["shard"], r["row"]]
        ),
    }
    for line, matches in wanted.items():
        found = preview_takedown(origin, request(line, radius=4 if "phash" in line else -1))
        direct = {row["uid"] for row in rows if matches(row)}
        shas = {row["image_sha256"] for row in rows if row["uid"] in direct}
        expected = {row["uid"] for row in rows if row["image_sha256"] in shas}
        losses = {loss.name: loss.rows for loss in found.losses}
        assert losses["raw_pool"] == len(expected) > 0, line
        assert losses["embeddings"] == len(expected)


def test_near_twins_go_with_their_original_unless_that_is_turned_off(origin: Project):
    rows = origin.lake.read("scores/phash_distance").to_pylist()
    near = next(row for row in rows if 0 < row["phash_distance"] <= 4)
    (twin,) = (
        r["uid"] for r in pool_rows(origin) if (r["uid_hi"], r["uid_lo"]) == (near["phash_twin_hi"], near["phash_twin_lo"])
    )
    with_twins, without = (preview_takedown(origin, request(twin, radius=radius)) for radius in (4, -1))
    assert with_twins.counts["near twin"] >= 1
    assert "near twin" not in without.counts
    counts = [{loss.name: loss.rows for loss in found.losses}["raw_pool"] for found in (with_twins, without)]
    assert counts[0] > counts[1]


def test_pointers_to_removed_samples_become_null(project: Project):
    rows = project.lake.read("scores/phash_distance").to_pylist()
    own = {(r["shard"], r["row"]): (r["uid_hi"], r["uid_lo"]) for r in pool_rows(project)}
    pointing = next(
        r for r in rows if r["phash_distance"] > 0 and (r["phash_twin_hi"], r["phash_twin_lo"]) != own[r["shard"], r["row"]]
    )
    (twin,) = (
        r["uid"]
        for r in pool_rows(project)
        if (r["uid_hi"], r["uid_lo"]) == (pointing["phash_twin_hi"], pointing["phash_twin_lo"])
    )
    taken(project, twin, radius=-1)
    after = {(r["shard"], r["row"]): r for r in project.lake.read("scores/phash_distance").to_pylist()}
    found = after.get((pointing["shard"], pointing["row"]))
    assert found is None or (found["phash_twin_hi"], found["phash_twin_lo"]) == (None, None)
    assert all(r["phash_twin_hi"] is not None for key, r in after.items() if r["phash_twin_lo"] is not None)


def test_a_dry_run_writes_nothing_and_says_what_would_go(project: Project):
    before = files(Path(project.lake.root))
    seen = preview_takedown(project, request(*some_uids(project)))
    assert files(Path(project.lake.root)) == before
    assert not seen.is_finished
    assert seen.receipt is None
    (done,) = taken(project, *some_uids(project))
    assert (done.counts, [replace(loss, after="") for loss in done.losses]) == (seen.counts, seen.losses)


def test_the_same_request_again_has_nothing_left_to_do(project: Project):
    uids = some_uids(project)
    taken(project, *uids)
    before = files(Path(project.lake.root))
    (again,) = taken(project, *uids, ticket="T-2")
    assert again.is_empty
    assert again.receipt is None
    assert files(Path(project.lake.root)) == before
    assert len(read_receipts(Path(project.lake.root))) == 1


def test_a_request_for_what_nobody_has_is_refused_in_advance(project: Project):
    (done,) = taken(project, "ab" * 16)
    assert done.receipt == 1
    assert done.counts["new_refusals"] == 1
    assert "raw_pool" not in {loss.name for loss in done.losses}


def test_former_versions_and_statistics_are_gone_and_the_history_stays(project: Project):
    before = {name: len(Lake(root=project.lake.root).snapshot(name).table.history()) for name in ("raw_pool", "embeddings")}
    victim = pool_rows(project)[3]
    taken(project, victim["uid"])
    root = Path(project.lake.root)
    for path in root.rglob("*"):
        if path.is_file() and not path.name.startswith("salt"):
            assert victim["text"].encode() not in path.read_bytes(), path
    for name, count in before.items():
        snapshot = project.lake.snapshot(name)
        assert len(snapshot.table.history()) == count + 1
        on_disk = {
            p.relative_to(root / name).as_posix() for p in (root / name).rglob("*.parquet") if "_delta_log" not in p.parts
        }
        assert on_disk == {path for paths in snapshot.files.values() for path in paths}
        assert len(list((root / name / "_delta_log").glob("*.checkpoint.parquet"))) == 1


def test_the_receipt_names_nothing_that_was_removed(project: Project):
    victim = pool_rows(project)[3]
    taken(project, victim["uid"])
    (receipt,) = read_receipts(Path(project.lake.root))
    assert receipt.body["ticket"] == "T-1"
    assert receipt.body["proof"]["hits"] == []
    text = receipt.path.read_text()
    assert victim["uid"] not in text
    assert victim["image_sha256"].hex() not in text
    assert victim["text"] not in text
    assert not journal_path(project.lake.root).exists()


def test_a_published_version_loses_its_members_and_can_still_be_proved(project: Project):
    version, is_new = publish(project, "aligned")
    assert not is_new
    frozen = open_version(project, version)
    members = frozen.lake.read("members")
    uids = [row["uid"] for row in pool_rows(project)]
    hexes = dict(zip([(r["uid_hi"], r["uid_lo"]) for r in pool_rows(project)], uids, strict=True))
    named = [hexes[pair] for pair in zip(members["uid_hi"].to_pylist(), members["uid_lo"].to_pylist(), strict=True)]
    kept_before = {r["uid_hi"] for r in frozen.lake.read("decisions/aligned").to_pylist() if r["is_kept"]}
    single = {row["uid"] for row in alone(project)}
    chosen = [i for i, uid in enumerate(named) if uid in single][:3]
    taken(project, named[chosen[1]], ticket="T-1", radius=-1)
    taken(project, named[chosen[0]], named[chosen[2]], ticket="T-2", radius=-1)
    answers = [why(project, named[i], reference) for i in chosen for reference in (version.name, "aligned")]
    assert [[gone.ticket for gone in answer.taken_down] for answer in answers] == [["T-2"], ["T-2"], ["T-1"], ["T-1"]] + [
        ["T-2"]
    ] * 2
    assert why(project, "0" * 32, version.name).taken_down == ()
    leaves = {}
    for number in (1, 2):
        body = json.loads((version.folder / f"redaction_{number}.json").read_text())
        leaves |= {one["position"]: bytes.fromhex(one["leaf"]) for one in body["removed"]}
    assert set(leaves) == set(chosen)
    left = frozen.lake.read("members")
    assert len(left) == len(members) - 3 == body["rows_after"]
    remaining = iter(uid_leaves(left["uid_hi"].to_numpy(), left["uid_lo"].to_numpy()))
    whole = [leaves[i] if i in leaves else next(remaining) for i in range(len(members))]
    assert leaves_digest(whole) == version.manifest["uid_digest"]
    assert verify(project, version, True).findings == []
    after = {r["uid_hi"] for r in frozen.lake.read("decisions/aligned").to_pylist() if r["is_kept"]}
    assert after == kept_before - (set(members["uid_hi"].to_pylist()) - set(left["uid_hi"].to_pylist()))


def test_a_comparison_counts_the_rows_that_a_version_still_has(project: Project):
    version, _ = publish(project, "distinct")
    members = open_version(project, version).lake.read("members")
    taken(project, uid_hex(members["uid_hi"].to_numpy(), members["uid_lo"].to_numpy())[0], radius=-1)
    found = diff(project, version.name, "distinct")
    assert found.a.rows == contains(project, version.name, "distinct").rows_a < version.manifest["rows"]


def test_the_cut_of_a_published_version_means_the_same_rows_without_its_last_one(project: Project):
    version, _ = publish(project, "aligned")
    lake = open_version(project, version).lake
    before = lake.read("cuts/aligned/cut_1").to_pylist()[0]
    taken(project, some_uids(project)[2], radius=-1)
    after = lake.read("cuts/aligned/cut_1").to_pylist()[0]
    assert {**after, "cut_uid_hi": 0, "cut_uid_lo": 0} == {**before, "cut_uid_hi": 0, "cut_uid_lo": 0}

    def number(hi: int, lo: int) -> int:
        return (hi % 2**64 << 64) + lo % 2**64

    last, now = (number(cut["cut_uid_hi"], cut["cut_uid_lo"]) for cut in (before, after))
    left = [number(r["uid_hi"], r["uid_lo"]) for r in lake.read("raw_pool").to_pylist()]
    assert now == max(uid for uid in left if uid < last)
    assert verify(project, version, True).findings == []


def test_exports_in_the_lake_lose_the_uids(project: Project):
    rows, folder = pool_rows(project), Path(project.lake.root) / "exports"
    folder.mkdir()
    pairs = np.array([(r["uid_hi"] % 2**64, r["uid_lo"] % 2**64) for r in rows], dtype=[("f0", "<u8"), ("f1", "<u8")])
    np.save(folder / "basic.npy", pairs)
    np.save(folder / "other.npy", np.arange(3))
    pq.write_table(pa.table({"uid": [r["uid"] for r in rows], "n": range(len(rows))}), folder / "basic.parquet")
    gone = [row["uid"] for row in alone(project)[:2]]
    (done,) = taken(project, *gone, radius=-1)
    assert {loss.name: loss.rows for loss in done.losses if "exports" in loss.name} == {
        "exports/basic.npy": 2,
        "exports/basic.parquet": 2,
    }
    keep = [i for i in range(len(rows)) if rows[i]["uid"] not in gone]
    assert np.array_equal(np.load(folder / "basic.npy"), pairs[keep])
    assert pq.read_table(folder / "basic.parquet")["n"].to_pylist() == keep


def test_tables_that_no_recipe_knows_lose_the_rows_too(project: Project):
    rows = pool_rows(project)
    own = [r for r in rows if r["shard"] == "00000"]
    own.sort(key=lambda r: r["row"])
    digest = uid_digest(np.array([r["uid_hi"] for r in own]), np.array([r["uid_lo"] for r in own]))
    shards = {"shard": ["00000"] * len(own), "row": pa.array([r["row"] for r in own], pa.int32())}
    measured = pa.table({**shards, "mystery": [float(r["row"]) for r in own]})
    pointing = pa.table(
        {
            "name": ["a", "b"],
            "mate_hi": [rows[0]["uid_hi"], rows[1]["uid_hi"]],
            "mate_lo": [rows[0]["uid_lo"], rows[1]["uid_lo"]],
        }
    )
    lake = project.lake
    lake.write("scores/mystery", [Part("00000", measured, {"data_version": "v", "uid_digest": digest, "inputs": {}})])
    lake.write("elsewhere/mates", [Part(None, pointing, {"data_version": "v", "uid_digest": None, "inputs": {}})])
    lake.write("scores/stale", [Part("00000", measured, {"data_version": "v", "uid_digest": "unknown", "inputs": {}})])
    taken(project, own[0]["uid"], radius=-1)
    assert lake.read("scores/mystery")["row"].to_pylist() == [r["row"] for r in own[1:]]
    assert lake.records("scores/mystery")["00000"]["uid_digest"] == lake.records("raw_pool")["00000"]["uid_digest"]
    assert lake.read("elsewhere/mates")["mate_hi"].to_pylist() == [None, rows[1]["uid_hi"]]
    # Nobody knows whose the rows of an older numbering are, so none of them stays.
    assert len(lake.snapshot("scores/stale").read("00000")) == 0
    assert lake.records("scores/stale")["00000"]["failed_checks"] == ["takedown"]


def test_a_rejected_copy_of_a_removed_uid_no_longer_names_it(project: Project):
    rejected = project.lake.read("rejected_samples").to_pylist()
    copy = next(row for row in rejected if row["reason"] == "duplicate_uid")
    uid = copy["detail"].split()[1]
    taken(project, uid, radius=-1)
    after = project.lake.read("rejected_samples").to_pylist()
    (found,) = (r for r in after if (r["shard"], r["row"]) == (copy["shard"], copy["row"]))
    assert (found["key"], found["reason"], found["detail"]) == ("", "takedown:T-1", "")
    assert uid not in json.dumps(after)


def test_a_table_below_a_table_stops_it_before_files_are_deleted(project: Project):
    project.lake.write("embeddings/inner", [Part(None, pa.table({"x": [1]}), {"data_version": "v", "inputs": {}})])
    with pytest.raises(LakeError, match=r"embeddings cannot be cleaned: the tables .*inner lie below its folder"):
        taken(project, some_uids(project)[0])
    assert project.lake.read("embeddings/inner").to_pylist() == [{"x": 1}]


@pytest.mark.parametrize("fault", ["lock", "publication", "run", "url", "salt"])
def test_what_stands_in_its_way_is_said(fault: str, project: Project, tmp_path: Path):
    asked = request(some_uids(project)[0])
    before = files(Path(project.lake.root))
    if fault == "lock":
        with project.lake.lock("apply"), pytest.raises(LakeError, match="another process holds the lock 'apply'"):
            take_down(project, asked, NOWHERE, print)
    elif fault == "publication":
        with project.lake.lock("publish-basic"), pytest.raises(LakeError, match="holds the lock 'publish-basic'"):
            take_down(project, asked, NOWHERE, print)
    elif fault == "run":
        with pytest.raises(LakeError, match=r"the runs r1 may be writing to .*; wait for them, or end them first"):
            take_down(project, asked, Outside(lambda: ["r1"], lambda u, n: (0, "")), print)
    elif fault == "url":
        remote = Project(project.recipe, project.graph, Lake(root="s3://bucket/lake"))
        with pytest.raises(LakeError, match="only taken down from a lake in a folder; s3://bucket/lake is none"):
            take_down(remote, asked, NOWHERE, print)
    else:
        taken(project, some_uids(project)[0])
        (Path(project.lake.root) / "_takedowns" / "salt").unlink()
        with pytest.raises(LakeError, match=r"salt cannot be read: No such file"):
            taken(project, some_uids(project)[1])
        return
    assert files(Path(project.lake.root)) == before


def test_a_pool_in_the_folder_of_the_lake_does_not_keep_a_takedown_open(pool: Path, tmp_path: Path):
    """Nor does one in DAGSTER_HOME: its files are listed for their owner, and no part of the lake."""
    own = tmp_path / "copy" / "lake" / "pool"
    shutil.copytree(pool, own)
    project = made(project_over(tmp_path / "copy", own))
    (done,) = taken(project, pool_rows(project)[3]["uid"], radius=-1)
    assert done.is_finished, done.hits


def test_a_data_file_that_is_missing_is_said_before_anything_is_written(project: Project):
    path = next(Path(project.lake.root).glob("published/aligned/v1/scores/clip_score/shard=00000/*.parquet"))
    path.unlink()
    with pytest.raises(LakeError, match=path.name):
        taken(project, some_uids(project)[0])
    assert not journal_path(project.lake.root).exists()


def test_a_value_that_the_proof_still_finds_keeps_the_takedown_open(project: Project):
    uid = pool_rows(project)[3]["uid"]
    note = Path(project.lake.root) / "note.txt"
    note.write_text(f"see {uid}")
    (done,) = taken(project, uid)
    assert not done.is_finished
    assert done.receipt is None
    assert [(hit.path.name, hit.kind) for hit in done.hits] == [("note.txt", "uid")]
    with pytest.raises(LakeError, match=r"was interrupted; run curate takedown without --dry-run"):
        preview_takedown(project, request(uid))
    note.write_text("gone")
    first, second = taken(project, uid)
    assert first.is_finished
    assert first.receipt == 1
    assert second.is_empty


STEPS = (
    "write_tombstones",
    "Lake.replace_files",
    "write_redaction",
    "remove_from",
    "purge_table",
    "scan",
    "write_receipt",
    "delete_journal",
)


class _Killed(BaseException):
    """Like a signal: nothing on the way catches it."""


@pytest.fixture(scope="module")
def finished(origin: Project, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    project = copied(origin, tmp_path_factory.mktemp("finished"), pool)
    taken(project, *some_uids(project))
    return content(project)


@pytest.mark.parametrize(("step", "call", "is_done"), [
    ("Lake.replace_files", 9, True), ("purge_table", 3, False),
    *((step, 1, is_done) for step in STEPS for is_done in (False, True)),
    *((step, call, True) for step in ("Lake.replace_files", "purge_table") for call in range(2, 30, 3)),
])  # fmt: skip
def test_a_killed_takedown_is_finished_by_the_next_one(
    step: str, call: int, *, is_done: bool, project: Project, finished: dict[str, object], monkeypatch: pytest.MonkeyPatch
):
    owner, name = (Lake, "replace_files") if step == "Lake.replace_files" else (takedown_steps, step)
    plain, calls = getattr(owner, name), iter(range(1, 1000))

    def fragile(*given: object, **named: object) -> object:
        is_now = next(calls) == call
        if is_now and not is_done:
            raise _Killed
        found = plain(*given, **named)
        if is_now:
            raise _Killed
        return found

    uids = some_uids(project)
    if step == "remove_from":
        np.save(Path(project.lake.root) / "uids.npy", np.zeros(1, dtype=[("f0", "<u8"), ("f1", "<u8")]))
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, fragile)
        with pytest.raises(_Killed):
            taken(project, *uids)
    assert journal_path(project.lake.root).exists() or (step, is_done) == ("delete_journal", True)
    *first, second = taken(project, *uids)
    assert second.is_empty
    assert all(one.is_finished for one in first)
    assert content(project) == finished
    assert [receipt.body["ticket"] for receipt in read_receipts(Path(project.lake.root))] == ["T-1"]
    assert not list(Path(project.lake.root).rglob("*.tmp"))


def test_a_lake_is_taken_down_from_whatever_its_recipe_now_is(project: Project, pool: Path, tmp_path: Path):
    """Tables of a former recipe are reached too."""
    uid = pool_rows(project)[3]["uid"]
    other = make_project(tmp_path / "other", pool / "*.tar", {"all": {"keep": ["no_filter"]}}, lake=project.lake.root)
    (done,) = take_down(other, request(uid), NOWHERE, lambda line: None)
    assert {"decisions/aligned", "scores/clip_score", "embeddings"} <= {loss.name for loss in done.losses}


def member_uids(project: Project) -> list[str]:
    """Members of aligned@1."""
    members = Lake(root=str(Path(project.lake.root) / "published/aligned/v1")).read("members")
    return uid_hex(members["uid_hi"].to_numpy(), members["uid_lo"].to_numpy())


def test_a_subset_of_which_every_row_went_is_made_again(project: Project):
    """The cut of then is gone with its last row, and the rows that come are told by it."""
    taken(project, *member_uids(project), radius=-1)
    with pytest.raises(
        LakeError, match=r"cuts/aligned/cut_1 has 0 rows instead of one: a takedown emptied it; run curate apply"
    ):
        diff(project, "aligned", "basic")
    made(project)
    assert len(project.lake.read("subsets/aligned"))


def test_nothing_is_published_while_a_takedown_is_half_done(project: Project, monkeypatch: pytest.MonkeyPatch):
    """A version made then would lose members that no redaction of it names."""
    uid = member_uids(project)[3]
    with monkeypatch.context() as patched:
        patched.setattr(takedown_steps, "write_tombstones", lambda *given: (_ for _ in ()).throw(_Killed))
        with pytest.raises(_Killed):
            taken(project, uid)
    with pytest.raises(
        LakeError, match=r"has an interrupted takedown, whose rows may still be there; finish it with curate takedown"
    ):
        publish(project, "basic")
    taken(project, uid)
    made(project)
    assert publish(project, "basic")[1]


@pytest.mark.parametrize("words", [{"ticket": "{uid}"}, {"reason": "asked by the owner of {url}"}, {"reason": "'{text}'"}])
def test_ticket_and_reason_may_not_say_what_is_removed(project: Project, words: dict[str, str]):
    """Both stay in the receipt, which is written after the proof, and the ticket in tables."""
    row = next(row for row in alone(project) if row["url"])
    before = files(Path(project.lake.root))
    asked = replace(request(row["uid"], radius=-1), **{name: text.format(**row) for name, text in words.items()})
    with pytest.raises(ArgumentError, match=r"the ticket or the reason holds what is removed \((uid|url|text)\)"):
        take_down(project, asked, NOWHERE, print)
    with pytest.raises(ArgumentError, match="holds what is removed"):
        preview_takedown(project, asked)
    assert files(Path(project.lake.root)) == before


def test_a_version_published_after_a_takedown_is_proved_as_a_whole(project: Project):
    """Its records name that takedown too, but nothing is gone from it."""
    taken(project, member_uids(project)[3])
    version, _ = publish(made(project), "basic")
    assert verify(project, version).redactions == []
    entry = sorted((version.folder / "scores" / "image_size" / "_delta_log").glob("*.json"))[-1]
    entry.write_text(entry.read_text().replace('"run_id', '"run_ix'))
    path = entry.relative_to(version.folder).as_posix()
    assert [finding.where for finding in verify(project, version).findings] == [path]


def test_a_version_that_lost_other_rows_than_members_is_clean_under_audit(project: Project):
    """Its cut was taken of all of them."""
    members = set(member_uids(project))
    basic = project.lake.read("subsets/basic")
    others = [uid for uid in uid_hex(basic["uid_hi"].to_numpy(), basic["uid_lo"].to_numpy()) if uid not in members]
    single = {row["uid"] for row in alone(project)}
    taken(project, next(uid for uid in others if uid in single), radius=-1)
    assert not list(Path(project.lake.root).rglob("redaction_*.json"))
    assert audit(project).breaches == 0
