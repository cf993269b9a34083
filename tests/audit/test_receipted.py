"""Receipts hold the digests of tables before and after; what is changed in a version later does not agree with them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curation_assets.algorithms.digest import json_digest, partition_version
from curation_assets.algorithms.identity import uid_hex
from curation_assets.audit.publish import column_digests, publish
from curation_assets.audit.receipted import receipted
from curation_assets.audit.receipts import Receipt, read_receipts, write_receipt
from curation_assets.audit.verify import verify
from curation_assets.audit.versions import MEMBERS, Version, find_version
from curation_assets.errors import LakeError
from curation_assets.holdings.project import Project
from resources.delta import Lake
from tests.audit.published_projects import rewrite
from tests.audit.takedown_project import copied, made, project_over, taken

pytestmark = pytest.mark.slow  # a lake each


@pytest.fixture(scope="module")
def origin(drawn_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Everything made, the version aligned@1 published, its uids exported into the lake; copied, never changed."""
    project = made(project_over(tmp_path_factory.mktemp("origin"), drawn_pool / "pool"))
    publish(project, "aligned")
    kept = project.lake.read("subsets/aligned", columns=["uid_hi", "uid_lo"])
    halves = zip(*(kept[name].to_numpy().view("<u8") for name in kept.column_names), strict=True)
    np.save(Path(project.lake.root) / "train.npy", np.array(list(halves), dtype=[("f0", "<u8"), ("f1", "<u8")]))
    return project


@pytest.fixture
def project(origin: Project, drawn_pool: Path, tmp_path: Path) -> Project:
    return copied(origin, tmp_path / "copy", drawn_pool / "pool")


def members_of(project: Project) -> list[str]:
    """Uids of the subset `aligned`, by shard and row."""
    kept = project.lake.read("subsets/aligned")
    return uid_hex(kept["uid_hi"].to_numpy(), kept["uid_lo"].to_numpy())


def tables_of(receipt: Receipt) -> dict[str, dict[str, object]]:
    return {table["name"]: table for table in receipt.body["tables"]}


def computed(folder: Path, table: str) -> str:
    """Digest of a table from its rows alone."""
    lake = Lake(root=str(folder))
    versions = {}
    for shard, record in lake.records(table).items():
        rows = lake.snapshot(table).read(shard)
        digest = record["uid_digest"]
        content = json_digest({"columns": column_digests(rows)}) if table == MEMBERS else None
        versions[shard or ""] = content or partition_version(rows, None if digest is None else str(digest))
    return json_digest(versions)


def test_tables_and_files_before_and_after(project: Project) -> None:
    root, version, uids = Path(project.lake.root), find_version(project, "aligned", 1), members_of(project)
    exported = hashlib.sha256((root / "train.npy").read_bytes()).hexdigest()
    live = computed(root, "embeddings")
    taken(project, uids[0])
    (first,) = read_receipts(root)
    said, inputs = tables_of(first), version.manifest["inputs"]
    frozen = {name: table for name, table in said.items() if name.startswith("published/")}
    assert len(frozen) > 8
    for name, table in frozen.items():
        short = name.removeprefix("published/aligned/v1/")
        published = inputs[short]["data_versions"] if short in inputs else json_digest({"": version.manifest["content_digest"]})
        assert (table["before"], table["after"]) == (published, computed(version.folder, short)), name
    assert (said["embeddings"]["before"], said["embeddings"]["after"]) == (live, computed(root, "embeddings"))
    after = hashlib.sha256((root / "train.npy").read_bytes()).hexdigest()
    assert (said["train.npy"]["before"], said["train.npy"]["after"]) == (exported, after)
    assert all(table["before"] != table["after"] for table in said.values() if table["rows"])

    taken(project, uids[-1])
    second = tables_of(read_receipts(root)[1])
    assert all(second[name]["before"] == said[name]["after"] for name in second.keys() & said.keys())
    assert verify(project, version, rebuild=True).findings == []


def change_score(version: Version) -> None:
    """Other values of a frozen score, and a record that agrees with them."""
    lake = Lake(root=str(version.folder))
    rows, record = lake.read("scores/clip_score", shard="00000"), lake.records("scores/clip_score")["00000"]
    at = rows.column_names.index("clip_score")
    rows = rows.set_column(at, rows.schema.field(at), pc.multiply(rows["clip_score"], pa.scalar(0.5, pa.float32())))
    rewrite(lake, "scores/clip_score", "00000", rows, {"data_version": partition_version(rows, str(record["uid_digest"]))})


def change_licence(version: Version) -> None:
    """Another licence of every member, with a redaction that agrees with it, and so do raw_pool and its record."""
    lake = Lake(root=str(version.folder))
    for table, shard in [(MEMBERS, None), *(("raw_pool", shard) for shard in lake.shards("raw_pool"))]:
        rows, record = lake.snapshot(table).read(shard), lake.records(table)[shard]
        at = rows.column_names.index("licence")
        rows = rows.set_column(at, rows.schema.field(at), pa.array(["CC0"] * len(rows)))
        digests = column_digests(rows)
        content = json_digest({"columns": digests}) if table == MEMBERS else partition_version(rows, str(record["uid_digest"]))
        rewrite(lake, table, shard, rows, {"data_version": content})
        if table == MEMBERS:
            path = version.folder / "redaction_1.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "column_digests_after": digests}))


@pytest.mark.parametrize(
    ("change", "places"),
    [(change_score, {"scores/clip_score"}), (change_licence, {MEMBERS, "raw_pool"})],
    ids=["score", "licence"],
)
def test_what_was_changed_after_a_takedown_disagrees_with_its_receipt(change, places: set[str], project: Project) -> None:
    """Manifest and SHA256SUMS say nothing about tables that a takedown has rewritten; the receipt does."""
    version = find_version(project, "aligned", 1)
    taken(project, members_of(project)[0])
    assert verify(project, version).findings == []
    change(version)
    found = {finding.where for finding in verify(project, version).findings if "receipt" in finding.what}
    assert found == places


def test_a_receipt_that_lacks_digests_is_named(tmp_path: Path) -> None:
    version = Version("aligned", 1, tmp_path, {})
    write_receipt(tmp_path, {"operation": "another"})
    assert (receipted(tmp_path, version).digests, receipted(tmp_path, version).last) == ({}, 1)
    write_receipt(tmp_path, {"tables": [{"name": "published/aligned/v1/members"}]})
    with pytest.raises(LakeError, match=r"000002\.json does not say what each of its tables was afterwards"):
        receipted(tmp_path, version)


def test_a_broken_chain_is_a_finding_and_the_rest_is_still_checked(project: Project) -> None:
    version = find_version(project, "aligned", 1)
    taken(project, members_of(project)[0])
    (receipt,) = read_receipts(Path(project.lake.root))
    receipt.path.write_text("{}")
    found = verify(project, version)
    assert [finding.where for finding in found.findings] == ["receipts"]
    assert found.rows == version.manifest["rows"] - 1
    assert found.partitions > 10
