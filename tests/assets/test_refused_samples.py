"""A shard that is read after a takedown: what was taken down does not come in again, under whatever name."""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from curation_assets.holdings.project import Project
from tests.audit.takedown_project import made, pool_rows, taken
from tests.small_project import make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

Sample = tuple[str, bytes, str, dict[str, object]]  # key, image, caption, fields of the json
PLAIN = {"all": {"keep": ["no_filter"]}}


def picture(seed: int, *, form: str = "PNG", size: int = 96, quality: int = 90) -> bytes:
    """Patches of colour that a copy of another size still has."""
    small = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC).resize((size, size))
    file = io.BytesIO()
    image.save(file, form, quality=quality)
    return file.getvalue()


def write_tar(path: Path, samples: Sequence[Sample]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for key, image, caption, fields in samples:
            for ending, content in (("png", image), ("txt", caption.encode()), ("json", json.dumps(fields).encode())):
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def sample(number: int, *, image: bytes | None = None, url: str | None = None) -> Sample:
    fields = {"uid": f"{number:032x}", "url": url or f"https://host{number}.example.org/{number}.png"}
    return f"key{number}", image or picture(number), f"caption of sample {number}", fields


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write_tar(tmp_path / "pool" / "a.tar", [sample(1), sample(2), sample(3)])
    return made(make_project(tmp_path / "project", tmp_path / "pool" / "*.tar", PLAIN))


def rejected(project: Project, shard: str) -> list[tuple[int, str, str, str]]:
    rows = project.lake.read("rejected_samples").to_pylist()
    return [(row["row"], row["key"], row["reason"], row["detail"]) for row in rows if row["shard"] == shard]


def accepted(project: Project, shard: str) -> list[str]:
    return [row["key"] for row in pool_rows(project) if row["shard"] == shard]


def test_the_same_bytes_a_near_twin_and_the_same_uid_are_refused_and_others_are_not(project: Project, tmp_path: Path):
    first = pool_rows(project)[0]
    taken(project, first["uid"])
    others = [
        sample(11, image=picture(1)),  # the same bytes under another uid and name
        sample(12, image=picture(1, form="JPEG", size=80)),  # the same picture, smaller and saved again
        sample(1, image=picture(14)),  # another picture under the uid
        sample(15, image=picture(15)),
    ]
    write_tar(tmp_path / "pool" / "b.tar", others)
    made(project)
    assert accepted(project, "b") == ["key15"]
    assert rejected(project, "b") == [(row, "", "takedown:T-1", "") for row in range(3)]
    assert accepted(project, "a") == ["key2", "key3"]


def test_a_shard_that_is_read_again_has_the_same_content_as_after_the_surgery(project: Project, tmp_path: Path):
    taken(project, pool_rows(project)[0]["uid"])
    before = {name: project.lake.records(name)["a"]["data_version"] for name in ("raw_pool", "rejected_samples", "embeddings")}
    tar = tmp_path / "pool" / "a.tar"
    tar.write_bytes(tar.read_bytes() + bytes(10240))  # another file with the same samples
    made(project)
    assert {name: project.lake.records(name)["a"]["data_version"] for name in before} == before


def test_without_near_twins_only_the_bytes_are_refused(project: Project, tmp_path: Path):
    taken(project, pool_rows(project)[0]["uid"], radius=-1)
    write_tar(tmp_path / "pool" / "b.tar", [sample(11, image=picture(1)), sample(12, image=picture(1, form="JPEG"))])
    made(project)
    assert accepted(project, "b") == ["key12"]


@pytest.mark.parametrize(
    ("selector", "urls"),
    [
        ("example.net", ["https://example.net/1", "http://WWW.a.Example.NET:80/2", "https://ex\tample.net/3"]),
        ("https://example.net/1?x=2", ["http://www.example.net/1?x=2#there", "https://user@EXAMPLE.net./1?x=2"]),
    ],
)
def test_urls_and_domains_are_refused_in_every_spelling(selector: str, urls: list[str], project: Project, tmp_path: Path):
    taken(project, selector)
    allowed = ["https://example.net.example.org/1", "https://notexample.net/1", "no url", "https://example.com/?example.net/1"]
    samples = [sample(20 + i, url=url) for i, url in enumerate([*urls, *allowed])]
    write_tar(tmp_path / "pool" / "b.tar", samples)
    made(project)
    assert accepted(project, "b") == [f"key{20 + i}" for i in range(len(urls), len(samples))]


def test_a_row_that_repeats_a_refused_uid_does_not_name_it(project: Project, tmp_path: Path):
    uid = pool_rows(project)[0]["uid"]
    taken(project, uid)
    write_tar(
        tmp_path / "pool" / "b.tar", [sample(1, image=picture(30)), ("again", picture(31), "another caption", {"uid": uid})]
    )
    made(project)
    assert accepted(project, "b") == []
    assert rejected(project, "b") == [(row, "", "takedown:T-1", "") for row in range(2)]


def test_without_the_salt_nothing_comes_in(project: Project, tmp_path: Path):
    taken(project, pool_rows(project)[0]["uid"])
    (Path(project.lake.root) / "_takedowns" / "salt").unlink()
    write_tar(tmp_path / "pool" / "b.tar", [sample(1)])
    with dg.DagsterInstance.ephemeral() as instance:
        applied = run_apply(project, instance)
    assert "refuses samples by salted digests, but" in applied.failed["raw_pool[b]"]
    assert "b" not in project.lake.records("raw_pool")


def test_the_lake_holds_no_refused_value_in_plain(project: Project):
    first = pool_rows(project)[0]
    taken(project, first["uid"], "https://secret.example.org/picture", "hidden.example.org")
    words = (first["uid"], first["image_sha256"].hex(), "secret.example", "hidden.example")
    for path in Path(project.lake.root).rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            assert not [word for word in words if word.encode() in text], path
            assert first["image_sha256"] not in text
