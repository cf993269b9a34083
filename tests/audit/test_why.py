"""why: the story of a sample against raw tables, from live subsets and published versions; and what is nowhere."""

import dataclasses
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from curation_assets.audit.publish import publish
from curation_assets.audit.tombstones import Stones, write_tombstones
from curation_assets.audit.which import which
from curation_assets.audit.why import why, why_each
from curation_assets.demo.pool import generate_pool
from curation_assets.errors import ArgumentError, LakeError
from curation_assets.holdings.project import Project, open_project
from curation_assets.lineage.story import Story
from curation_assets.recipe import check_recipe
from resources import delta
from resources.delta import Part
from tests.asked_project import ASKED, MIXED_ANY, bytes_at, decided, joined, raw
from tests.small_project import make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes


def agree(story: Story, row: dict[str, object], expected: dict[str, tuple[bool | None, str | None]]) -> list[str]:
    """Where a story differs from the second opinion."""
    wrong = [f.message for f in story.findings]
    for verdict in story.verdicts:
        if (verdict.is_kept, verdict.dropped_by) != expected[verdict.subset]:
            wrong.append(f"{verdict.subset}: {verdict.is_kept} {verdict.dropped_by}, expected {expected[verdict.subset]}")
        failing = next((one.name for one in verdict.filters if one.outcome != "holds"), None)
        if verdict.is_reached and failing != expected[verdict.subset][1]:
            wrong.append(f"{verdict.subset}: leaf by leaf {failing}")
    wrong += [f"{score.column}: {score.value}" for score in story.scores if score.value != row.get(score.column, score.value)]
    facts = ("shard", "row", "key", "text", "url", "width", "height", "format", "tar", "offset_bytes", "image_bytes")
    wrong += [name for name in facts if getattr(story.sample, name) != row[name]]
    return wrong + ([] if story.uid == row["uid"] else ["uid"])


def compare(project: Project, rows: pl.DataFrame, chosen: list[int], subsets: Sequence[str] = tuple(ASKED)) -> None:
    """The stories of the chosen rows, as seen from subsets, against the second opinion."""
    expected, records = decided(rows), rows.to_dicts()
    uids = [records[i]["uid"] for i in chosen]
    wrong: list[object] = []
    for subset in subsets:
        for i, answer in zip(chosen, why_each(project, uids, subset, neighbours=3), strict=True):
            story = next(
                s for s in answer.samples if (s.sample.shard, s.sample.row) == (records[i]["shard"], records[i]["row"])
            )
            wrong += [(subset, uids, line) for line in agree(story, records[i], {name: expected[name][i] for name in expected})]
            is_member = expected[subset][i][0] or False
            assert story.is_member == is_member
            assert story.sample.image_sha256 == records[i]["image_sha256"].hex()
            after = ["basic", subset] if subset != "basic" else ["basic"]
            gone = None if is_member else next(name for name in after if expected[name][i][0] is False)
            assert (story.dropped_in, story.never_reached) == (gone, tuple(after[1:]) if gone == "basic" else ())
    assert wrong == []


def test_stories_agree_with_raw_tables(asked: Project) -> None:
    rows = joined(asked.lake.root)
    compare(asked, rows, list(range(0, len(rows), 2)))
    kept = {name: sum(bool(is_kept) for is_kept, _ in of) for name, of in decided(rows).items()}
    assert all(10 < count < len(rows) for count in kept.values())  # each subset keeps some and drops some


def test_real_samples_agree_with_raw_tables(real_pool: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path, real_pool / "pool" / "*.tar", ASKED)
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run_apply(project, instance).failed
    version, _ = publish(project, "mixed")
    rows, rng = joined(project.lake.root), np.random.default_rng(7)
    expected = decided(rows)
    is_member = np.array([bool(is_kept) for is_kept, _ in expected["mixed"]])
    chosen = [int(i) for part in (is_member, ~is_member) for i in rng.permutation(np.flatnonzero(part))[:1000]]
    assert len(chosen) > 1500
    compare(project, rows, chosen, ["mixed"])
    compare(project, rows, chosen[::8], ["basic", "aligned"])
    members = {(row["pool_shard"], row["pool_row"]) for row in raw(str(version.folder), "members").to_dicts()}
    wrong = []
    for i in chosen:
        row = rows.row(i, named=True)
        held = {(h.shard, h.row): h for h in which(project, row["uid"]).samples}[row["shard"], row["row"]]
        subsets = tuple(name for name in ASKED if expected[name][i][0])
        in_version = (row["shard"], row["row"]) in members
        if (held.subsets, [v.name for v in held.versions]) != (subsets, ["mixed@1"] * in_version):
            wrong.append((row["uid"], held, subsets, in_version))
    assert wrong == []


def test_the_source_is_where_the_story_says(asked: Project) -> None:
    uid = joined(asked.lake.root)["uid"][5]
    facts = why(asked, uid, "basic").samples[0].sample
    payload = bytes_at(asked.recipe.folder, facts.tar, facts.offset_bytes, facts.image_bytes)
    assert hashlib.sha256(payload).hexdigest() == facts.image_sha256
    answer = why(asked, f"{facts.shard}/{facts.key}", "basic")
    assert [story.uid for story in answer.samples] == [uid]


def test_neighbours_are_the_nearest_of_the_cluster(asked: Project) -> None:
    rows, assigned = joined(asked.lake.root), raw(asked.lake.root, "cluster_assignments")
    vectors = raw(asked.lake.root, "embeddings").join(assigned.drop("reason"), on=["shard", "row"])
    both = rows.select("shard", "row", "uid").join(vectors, on=["shard", "row"]).filter(pl.col("cluster_id").is_not_null())
    matrix = np.stack([np.frombuffer(v, "<f2").astype(np.float64) for v in both["image_embedding"].to_list()])
    for i in range(0, len(both), 41):
        story = why(asked, both["uid"][i], "mixed", neighbours=4).samples[0]
        same = np.flatnonzero((both["cluster_id"] == both["cluster_id"][i]).to_numpy() & (np.arange(len(both)) != i))
        cosine = np.sort(matrix[same] @ matrix[i])[::-1][:4]
        found = story.neighbours.found
        assert [n.cosine for n in found] == pytest.approx(np.clip(cosine, -1, 1).tolist(), abs=1e-5)
        assert {n.uid for n in found} <= set(both["uid"].gather(same.tolist()).to_list())
        assert (story.clusters[0].cluster_id, story.neighbours.omitted) == (both["cluster_id"][i], None)
    assert why(asked, both["uid"][0], "mixed", neighbours=0).samples[0].neighbours.omitted == "not asked for"


def test_twins_are_named_with_what_became_of_them(asked: Project) -> None:
    rows = joined(asked.lake.root)
    kept = {row["uid"] for row, (is_kept, _) in zip(rows.to_dicts(), decided(rows)["mixed"], strict=True) if is_kept}
    for row, answer in zip(rows.to_dicts(), why_each(asked, rows["uid"].to_list(), "mixed", neighbours=0), strict=True):
        for twin in answer.samples[0].twins:
            halves = (row[name] % 2**64 for name in twin.columns)
            assert twin.uid == "".join(f"{half:016x}" for half in halves)
            assert (twin.is_self, twin.is_in_subset, twin.is_in_pool) == (twin.uid == row["uid"], twin.uid in kept, True)


def test_a_fraction_is_explained_by_its_cut(asked: Project) -> None:
    rows = joined(asked.lake.root)
    cut = raw(asked.lake.root, "cuts/aligned/cut_1").to_dicts()[0]
    last = f"{cut['cut_uid_hi'] % 2**64:016x}{cut['cut_uid_lo'] % 2**64:016x}"
    condition = why(asked, last, "aligned").samples[0].verdicts[-1].filters[0].conditions[0]
    assert (condition.outcome, condition.margin, condition.is_decided_by_uid) == ("holds", 0, True)
    assert dataclasses.asdict(condition.cut) == {
        "fraction": 0.5,
        "keep": "high",
        "over": "source",
        "kept": cut["cut_rows"],
        "population": cut["population"],
        "cut_value": cut["cut_value"],
        "cut_uid": last,
    }
    dropped = [i for i, (kept, _) in enumerate(decided(rows)["aligned"]) if kept is False]
    worst = why(asked, rows["uid"][dropped[0]], "aligned").samples[0].verdicts[-1].filters[0].conditions[0]
    assert worst.margin == pytest.approx(rows["clip_score"][dropped[0]] - cut["cut_value"])
    assert worst.margin < 0


def test_composed_filters_are_explained_leaf_by_leaf(asked: Project) -> None:
    rows = joined(asked.lake.root)
    i = next(i for i, (_, by) in enumerate(decided(rows)["mixed"]) if by == MIXED_ANY)
    verdict = why(asked, rows["uid"][i], "mixed").samples[0].verdicts[-1].filters[0]
    assert (verdict.kind, verdict.outcome, [part.kind for part in verdict.parts]) == ("any", "fails", ["filter", "not"])
    score, words = verdict.parts[0].conditions[0], verdict.parts[1].parts[0].conditions[0]
    assert (score.column, score.outcome, score.value) == ("clip_score", "fails", rows["clip_score"][i])
    assert (words.column, words.outcome, words.margin) == ("caption_words", "holds", rows["caption_words"][i] - 8)


def test_samples_that_share_an_image_have_a_story_each(asked: Project) -> None:
    rows = joined(asked.lake.root)
    shared = rows.group_by("image_sha256").agg(pl.col("uid")).filter(pl.col("uid").list.len() > 1)
    for digest, uids in shared.iter_rows():
        assert {story.uid for story in why(asked, digest.hex().upper(), "basic").samples} == set(uids)
    assert len(shared)
    row = rows.filter(pl.col("url").is_not_null()).row(0, named=True)
    again = row["url"].replace("https://", "HTTP://WWW.", 1)
    assert row["uid"] in {story.uid for story in why(asked, again, "basic").samples}


def test_what_was_rejected_says_why(asked: Project) -> None:
    for row in raw(asked.lake.root, "rejected_samples").to_dicts():
        answer = why(asked, f"{row['shard']}/{row['key']}", "mixed")
        assert answer.found
        assert row["reason"] in {rejected.reason for rejected in answer.rejected}


def test_what_is_nowhere_is_a_plain_answer(asked: Project) -> None:
    answer = why(asked, "0" * 32, "mixed")
    pool, rejected = raw(asked.lake.root, "raw_pool"), raw(asked.lake.root, "rejected_samples")
    assert not answer.found
    assert answer.samples == ()
    assert answer.rejected == ()
    assert dataclasses.asdict(answer.searched) == {"shards": 2, "rows": len(pool), "rejected_rows": len(rejected)}
    assert not why(asked, "99999/nothing", "mixed").found


def test_what_was_taken_down_names_the_ticket(asked: Project, tmp_path: Path) -> None:
    shutil.copytree(asked.lake.root, tmp_path / "lake")
    content = {**asked.recipe.file.model_dump(mode="json", by_alias=True), "lake": str(tmp_path / "lake")}
    copy = open_project(check_recipe(content, asked.recipe.path))
    values = {"uid": ["a" * 32], "sha256": ["b" * 64], "domain": ["gone.example"]}
    write_tombstones(copy.lake, Stones(values, (), 0), "T-7", 1)
    for text, kind in (("A" * 32, "uid"), ("b" * 64, "sha256"), ("https://img.gone.example/x.jpg", "domain")):
        answer = why(copy, text, "mixed")
        assert (answer.found, [(gone.kind, gone.ticket) for gone in answer.taken_down]) == (True, [(kind, "T-7")])
    assert not why(copy, "c" * 32, "mixed").found
    assert not why(copy, "a" * 32, "mixed@1").found  # answers of a version do not look at the live lake


def test_what_was_pasted_with_spaces_is_meant(asked: Project) -> None:
    uid = joined(asked.lake.root)["uid"][3]
    assert [story.uid for story in why(asked, f" {uid.upper()}\n", "mixed").samples] == [uid]


@pytest.mark.parametrize("text", ["http://\udcff.org/a", "http://a.org/\udcff", "00000/\udcff", "\udcff" * 32])
def test_bytes_that_are_no_text_are_refused(asked: Project, text: str) -> None:
    with pytest.raises(ArgumentError, match="names no sample; accepted forms"):
        why(asked, text, "mixed")


@pytest.mark.parametrize("text", ["", "f00", "0" * 31, "g" * 32, "é" * 32, "://", "a\x1b[31m/", "/key", "٣" * 32])
def test_names_that_mean_nothing_are_refused(asked: Project, text: str) -> None:
    with pytest.raises(ArgumentError, match=r"names no sample; accepted forms: a uid \(32 hex digits\), the sha256"):
        why(asked, text, "mixed")


def test_unknown_subsets_and_versions_are_refused(asked: Project, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"no subset 'other' in .*; known: basic, aligned, mixed"):
        why(asked, "0" * 32, "other")
    with pytest.raises(ArgumentError, match="no published version mixed@2; known: mixed@1"):
        why(asked, "0" * 32, "mixed@2")
    empty = make_project(tmp_path, asked.recipe.folder / "*.tar", ASKED)
    with pytest.raises(LakeError, match="holds no pool yet; run curate apply first"):
        why(empty, "0" * 32, "mixed")


def test_a_ledger_that_disagrees_is_found_and_counts(asked: Project, tmp_path: Path) -> None:
    shutil.copytree(asked.lake.root, tmp_path / "lake")
    content = {**asked.recipe.file.model_dump(mode="json", by_alias=True), "lake": str(tmp_path / "lake")}
    copy = open_project(check_recipe(content, asked.recipe.path))
    ledger = copy.lake.read("decisions/basic", shard="00000")
    record = copy.lake.records("decisions/basic")["00000"]
    at = ledger["is_kept"].to_pylist().index(True)
    kept = [i != at and value for i, value in enumerate(ledger["is_kept"].to_pylist())]
    forged = ledger.set_column(ledger.column_names.index("is_kept"), ledger.schema.field("is_kept"), [kept])
    copy.lake.write("decisions/basic", [Part("00000", forged, record)])
    row = ledger["row"][at].as_py()
    uid = joined(copy.lake.root).filter((pl.col("shard") == "00000") & (pl.col("row") == row))["uid"][0]
    story = why(copy, uid, "basic").samples[0]
    assert (story.is_member, [finding.code for finding in story.findings]) == (False, ["ledger_disagrees"])
    assert "its filters on the scores of now give kept, its ledger says dropped by None" in story.findings[0].message


def test_rows_that_were_numbered_anew_are_not_mixed_up(asked: Project, tmp_path: Path) -> None:
    shutil.copytree(asked.lake.root, tmp_path / "lake")
    content = {**asked.recipe.file.model_dump(mode="json", by_alias=True), "lake": str(tmp_path / "lake")}
    copy = open_project(check_recipe(content, asked.recipe.path))
    record = copy.lake.records("raw_pool")["00000"]
    pool = copy.lake.read("raw_pool", shard="00000").slice(1)
    copy.lake.write("raw_pool", [Part("00000", pool, {**record, "uid_digest": "another", "data_version": "another"})])
    (story,) = why(copy, f"00000/{pool['key'][0].as_py()}", "mixed").samples
    assert (story.is_member, story.scores, story.clusters) == (None, (), ())
    assert story.summary == "no decision of mixed is stored for it"
    assert {finding.code for finding in story.findings} == {"ledger_missing", "score_missing", "score_unusable"}
    assert "it belongs to other rows of raw_pool than the present ones" in story.findings[0].message
    assert story.neighbours.omitted.startswith("cluster_assignments[00000]: it belongs to other rows")
    answer = which(copy, story.uid)
    assert [line.partition(":")[0] for line in answer.unusable] == [f"subsets/{name}[00000]" for name in ASKED]
    assert answer.samples[0].subsets == ()


def test_an_edited_recipe_is_noticed(asked: Project) -> None:
    content = asked.recipe.file.model_dump(mode="json", by_alias=True)
    content["subsets"]["aligned"]["keep"] = [{"clip_score": {"min": 0.3}}]
    edited = open_project(check_recipe(content, asked.recipe.path))
    codes = {finding.code for finding in why(edited, joined(asked.lake.root)["uid"][0], "aligned").samples[0].findings}
    assert "recipe_edited" in codes


def answers(project: Project, uids: list[str], reference: str) -> bytes:
    """What `why --json` says of samples, a few of them one by one."""
    found = [*why_each(project, uids, reference), *(why(project, uid, reference) for uid in uids[::20])]
    return json.dumps([dataclasses.asdict(answer) for answer in found]).encode()


@pytest.fixture
def instance_of_its_own() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_answers_of_a_version_never_change(tmp_path: Path, instance_of_its_own: dg.DagsterInstance) -> None:
    generate_pool(tmp_path, shards=3, samples_per_shard=40, seed=5)
    tars, instance = tmp_path / "pool", instance_of_its_own

    def build(subsets: dict[str, object]) -> Project:
        project = make_project(tmp_path, "pool/*.tar", subsets)
        assert not run_apply(project, instance).failed
        return project

    project = build(ASKED)
    for subset in ("aligned", "mixed"):
        publish(project, subset)
    uids = [*joined(project.lake.root)["uid"].to_list(), "0" * 32]
    before = {name: answers(project, uids, name) for name in ("aligned@1", "mixed@1")}
    stories = [answer.samples for answer in why_each(project, uids[:-1], "mixed@1")]
    live = [answer.samples for answer in why_each(project, uids[:-1], "mixed", neighbours=0)]
    assert [s[0].verdicts for s in stories] == [s[0].verdicts for s in live]
    assert {s[0].neighbours.omitted for s in stories} == {"embeddings are not stored here; published versions keep no vectors"}

    for number, fraction in enumerate((0.4, 0.45, 0.6, 0.7, 0.8, 0.9)):  # thresholds edited
        changed = {**ASKED, "aligned": {"from": "basic", "keep": [{"clip_score": {"top_fraction": fraction}}]}}
        changed["basic"] = {"keep": ["english_caption", {"caption_length": {"min_words": 2 + number}}]}
        build(changed)
    generate_pool(tmp_path / "other", shards=1, samples_per_shard=30, seed=8)
    shutil.copy(tmp_path / "other" / "pool" / "00000.tar", tars / "00001.tar")  # replaced
    build(ASKED)
    shutil.copy(tars / "00000.tar", tars / "00009.tar")  # added
    build(ASKED)
    (tars / "00002.tar").unlink()  # removed
    build(ASKED)
    project = build({"basic": ASKED["basic"], "aligned": {"keep": ["english_caption"]}})
    assert {name: answers(project, uids, name) for name in before} == before

    delta._snapshots.clear()
    shutil.rmtree(tars)
    for folder in Path(project.lake.root).iterdir():
        if folder.name != "published":
            shutil.rmtree(folder)
    assert {name: answers(project, uids, name) for name in before} == before


def test_another_file_under_the_same_uid_is_a_revision(tmp_path: Path, instance_of_its_own: dg.DagsterInstance) -> None:
    generate_pool(tmp_path, shards=2, samples_per_shard=30, seed=5)
    project = make_project(tmp_path, "pool/*.tar", {"basic": ASKED["basic"]})
    run_apply(project, instance_of_its_own)
    rows = joined_pool(project)
    path = tmp_path / "pool" / "00000.tar"
    first = rows.filter(pl.col("shard") == "00000").row(0, named=True)
    recaption(path, first["key"], "quite another caption of this picture")
    run_apply(project, instance_of_its_own)
    (story,) = why(project, f"00000/{first['key']}", "basic").samples
    assert story.uid == first["uid"]  # the source gives uids, so this is the same sample with another caption
    assert [r.differs for r in story.revisions] == [(), ("text",)]
    assert [r.is_current for r in story.revisions] == [False, True]
    assert [r.is_readable for r in story.revisions] == [True, True]
    assert story.revisions[0].files != story.revisions[1].files
    assert story.revisions[-1].text_sha256 == hashlib.sha256(b"quite another caption of this picture").hexdigest()


def joined_pool(project: Project) -> pl.DataFrame:
    pool = raw(project.lake.root, "raw_pool")
    uid = [f"{r['uid_hi'] % 2**64:016x}{r['uid_lo'] % 2**64:016x}" for r in pool.to_dicts()]
    return pool.with_columns(uid=pl.Series(uid)).sort("shard", "row")


def recaption(path: Path, key: str, caption: str) -> None:
    """Write a tar anew with another caption for one sample."""
    with tarfile.open(path) as tar:
        members = [(m.name, tar.extractfile(m).read()) for m in tar.getmembers() if m.isfile()]
    with tarfile.open(path, "w") as tar:
        for name, payload in members:
            content = caption.encode() if name == f"{key}.txt" else payload
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


KEYS = {
    "": "schema asked kind subset version found searched samples rejected taken_down",
    "rejected": "shard row key reason detail offset_bytes",
    "searched": "shards rows rejected_rows",
    "samples": "uid is_member dropped_in dropped_by never_reached summary sample revisions encoders scores clusters neighbours "
    "twins verdicts findings tables",
    "sample": "shard row key tar offset_bytes image_bytes text url width height format image_sha256 licence remarks",
    "revisions": "delta_version written_at run_id data_version files is_current is_readable row image_sha256 text_sha256 "
    "differs",
    "encoders": "label name weights_sha256",
    "scores": "column artifact value reason uses",
    "uses": "subset filter comparison threshold distance",
    "clusters": "artifact cluster_id similarity reason",
    "neighbours": "found omitted",
    "twins": "columns uid is_self is_in_pool is_in_subset",
    "verdicts": "subset source is_reached is_kept dropped_by ledger filters",
    "ledger": "is_kept filter column comparison value threshold",
    "filters": "kind name outcome conditions parts",
    "parts": "kind name outcome conditions parts",
    "conditions": "column comparison threshold value outcome margin is_decided_by_uid cut",
    "cut": "fraction keep over kept population cut_value cut_uid",
    "tables": "artifact shard delta_version code_version data_version run_id written_at",
}


def rejected_key(project: Project) -> str:
    """A sample that was rejected, by shard and key."""
    row = raw(project.lake.root, "rejected_samples").row(0, named=True)
    return f"{row['shard']}/{row['key']}"


def key_sets(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and name != "files":
        yield name, " ".join(value)
        for key, inner in value.items():
            yield from key_sets(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from key_sets(inner, name)


def test_json_has_exactly_these_keys(asked: Project) -> None:
    uids = joined(asked.lake.root)["uid"].to_list()
    found: dict[str, set[str]] = {}
    for subset, some in (("aligned", uids[::6]), ("mixed", uids[::2])):
        for answer in [*why_each(asked, some, subset), why(asked, rejected_key(asked), subset)]:
            for name, keys in key_sets(json.loads(json.dumps(dataclasses.asdict(answer)))):
                found.setdefault(name, set()).add(keys)
    inner = {"found": {"uid cosine"}}
    assert found == {name: {keys} for name, keys in KEYS.items()} | inner
    assert why(asked, uids[0], "mixed").schema == 1
