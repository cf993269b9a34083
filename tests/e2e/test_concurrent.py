"""Several commands on one lake, commands with nothing to do, and shards that vanish or were never right."""

import json
import os
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.processes import Project, installed, new_project, started, stored_tables, table_versions

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DEMO = ("demo", ".", "--shards", "2", "--samples", "90", "--seed", "3")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished demo; read only."""
    project = new_project(tmp_path_factory.mktemp("finished") / "project")
    done = project.curate(*DEMO)
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    """The finished demo in a folder of the test's own; times of files stay, as after `cp -a`."""
    return Project(Path(shutil.copytree(finished.folder, tmp_path / "project", symlinks=True)))


def result(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """The JSON object that a command printed, which has to be all of standard output."""
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)


def runs(project: Project) -> list[str]:
    return sorted(path.name for path in (project.folder / ".dagster" / "history" / "runs").glob("*-*.db"))


def damaged_tar(path: Path, source: Path) -> None:
    """A tar whose middle is noise: what comes before can be read, what follows cannot be found."""
    content = bytearray(source.read_bytes())
    half = len(content) // 2
    content[half : half + 20_000] = bytes(byte ^ 0xA5 for byte in content[half : half + 20_000])
    path.write_bytes(content)


def test_of_two_applies_at_once_one_works_and_the_other_says_why_not(finished: Project, tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")
    shutil.copytree(finished.folder / "pool", project.folder / "pool")
    with started(installed("curate"), "apply", project=project) as first:
        first.wait_until(lambda: first.has_said("raw_pool: 2 partitions"), "the first run")
        os.killpg(first.process.pid, signal.SIGSTOP)  # it holds the lock for as long as the second one lives
        try:
            second = project.curate("apply", timeout_s=120)
        finally:
            os.killpg(first.process.pid, signal.SIGCONT)
        done = first.finished()
    assert second.returncode == 2, second.stderr
    lines = second.stderr.splitlines()
    assert len(lines) == 1, second.stderr
    assert lines[0].startswith("error another process holds the lock 'apply' of ")
    assert str(project.folder / "lake") in lines[0]
    assert second.stdout == ""
    assert done.returncode == 0, done.stderr
    found, expected = stored_tables(project.folder / "lake"), stored_tables(finished.folder / "lake")
    assert found.keys() == expected.keys()
    assert all(found[name].rows.equals(expected[name].rows) for name in expected)
    assert table_versions(project.folder / "lake") == table_versions(finished.folder / "lake")


def test_apply_again_makes_no_run_and_no_commit(copied: Project) -> None:
    versions, before = table_versions(copied.folder / "lake"), runs(copied)
    assert len(before) > 5
    done = copied.curate("apply", "--json")
    assert done.returncode == 0, done.stderr
    applied = result(done)
    assert (applied["materialized"], applied["failed"], applied["held_back"]) == ({}, {}, {})
    assert applied["up_to_date"] == 36
    assert table_versions(copied.folder / "lake") == versions
    assert runs(copied) == before


def test_damaged_and_empty_tars_are_data_and_the_other_shards_go_on(copied: Project) -> None:
    pool, before = copied.folder / "pool", stored_tables(copied.folder / "lake")
    damaged_tar(pool / "damaged.tar", pool / "00000.tar")
    (pool / "no_bytes.tar").touch()
    tarfile.open(pool / "no_members.tar", "w").close()
    done = copied.curate("apply", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not result(done)["failed"]
    after = stored_tables(copied.folder / "lake")
    rejected = [row for row in after["rejected_samples"].rows.to_pylist() if row["reason"].startswith(("tar_", "bad_tar"))]
    assert sorted(row["shard"] for row in rejected) == ["damaged", "no_bytes"]
    accepted = after["raw_pool"].rows.to_pylist()
    assert 0 < sum(row["shard"] == "damaged" for row in accepted) < 80
    assert [row for row in accepted if row["shard"] in ("00000", "00001")] == before["raw_pool"].rows.to_pylist()
    again = result(copied.curate("apply", "--json"))
    assert (again["materialized"], again["failed"], again["held_back"]) == ({}, {}, {})


@pytest.mark.parametrize("fault", ["a folder", "a dangling link"])
def test_a_shard_that_cannot_be_opened_counts_as_empty_and_the_others_go_on(
    fault: str, finished: Project, tmp_path: Path
) -> None:
    project = new_project(tmp_path / "project")
    shutil.copytree(finished.folder / "pool", project.folder / "pool")
    faulty = project.folder / "pool" / "faulty.tar"
    if fault == "a folder":
        faulty.mkdir()
    else:
        faulty.symlink_to(tmp_path / "gone.tar")
    done = project.curate("apply", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    applied = result(done)
    rejected = stored_tables(project.folder / "lake")["rejected_samples"].rows.to_pylist()
    assert [row["reason"] for row in rejected if row["shard"] == "faulty"] == ["unreadable_shard"]
    sharded = ("raw_pool", "rejected_samples", "scores/caption_length", "scores/image_size", "subsets/basic")
    assert {f"{name}[{shard}]" for name in sharded for shard in ("00000", "00001")} <= applied["materialized"].keys()
    assert "filter_network" in applied["materialized"]
    if fault == "a folder":
        faulty.rmdir()
    else:
        faulty.unlink()
    mended = project.curate("apply", "--json")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    found, expected = stored_tables(project.folder / "lake"), stored_tables(finished.folder / "lake")
    assert all(found[name].rows.equals(expected[name].rows) for name in expected)


def test_a_shard_that_vanishes_leaves_everything_that_read_it(copied: Project) -> None:
    (copied.folder / "pool" / "00001.tar").unlink()
    done = copied.curate("apply", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "raw_pool[00001]" in result(done)["materialized"]
    for name, stored in stored_tables(copied.folder / "lake").items():
        shards = set(stored.rows["shard"].to_pylist()) if "shard" in stored.rows.column_names else set()
        assert shards <= {"00000"}, name
    status = copied.curate("status", "--json")
    assert status.returncode == 0, status.stderr
    lake = stored_tables(copied.folder / "lake")
    pool, basic = (
        sum(row["shard"] == "00000" for row in lake[name].rows.to_pylist()) for name in ("raw_pool", "subsets/basic")
    )
    funnels = {funnel["subset"]: funnel for funnel in result(status)["funnels"]}
    assert (funnels["raw_pool"]["kept"], funnels["basic"]["kept"]) == (pool, basic)
    exported = copied.curate("export", "basic", "--format", "parquet", "--out", "basic.parquet", "--json")
    assert exported.returncode == 0, exported.stderr
    assert result(exported)["rows"] == basic


def test_a_pool_that_vanishes_is_one_clear_message(copied: Project) -> None:
    versions = table_versions(copied.folder / "lake")
    for tar in (copied.folder / "pool").glob("*.tar"):
        tar.unlink()
    done = copied.curate("apply")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "error pool.path 'pool/*.tar' matches no file" in done.stderr
    assert table_versions(copied.folder / "lake") == versions
