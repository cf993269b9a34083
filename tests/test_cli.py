"""The command as a user types it: help, tables, JSON, exit codes, one message per mistake."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import yaml

from curation_assets.assets.apply import Applied
from curation_assets.holdings.project import Project

Curated = tuple[Project, Applied, dg.DagsterInstance]


def curate(*arguments: str, cwd: Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1", "DAGSTER_HOME": str(home or cwd / ".dagster")}
    environment.pop("CURATION_RECIPE", None)
    program = [sys.executable, "-c", "from curation_assets.cli import main; main()"]
    return subprocess.run(
        [*program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize(
    "command", [(), *((name,) for name in ("demo", "plan", "apply", "preview", "status", "export", "diff", "takedown"))]
)
def test_help_of_every_command(command: tuple[str, ...], tmp_path: Path) -> None:
    ran = curate(*command, "--help", cwd=tmp_path)
    assert ran.returncode == 0
    assert "Usage" in ran.stdout
    assert not command or "Example: curate" in ran.stdout


def test_status_tells_what_is_there(applied: Curated, tmp_path: Path) -> None:
    recipe = str(applied[0].recipe.path)
    ran = curate("status", "--recipe", recipe, "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    artifacts = {artifact["name"]: artifact for artifact in found["artifacts"]}
    assert artifacts["raw_pool"]["made"] == 2
    assert all(artifact["out_of_date"] == 0 for artifact in artifacts.values())
    basic = next(funnel for funnel in found["funnels"] if funnel["subset"] == "basic")
    assert basic["rows_in"] == basic["kept"] + sum(basic["dropped_by"].values())
    shown = curate("status", "--recipe", recipe, cwd=tmp_path).stdout
    assert "scores/clip_score" in shown
    assert "english_caption" in shown


@pytest.mark.slow
def test_plan_tells_what_would_run_and_why(applied: Curated, tmp_path: Path) -> None:
    content = yaml.safe_load(applied[0].recipe.path.read_text())
    recipe = tmp_path / "edited.yaml"
    recipe.write_text(yaml.safe_dump(content))
    same = curate("plan", "--recipe", str(recipe), cwd=tmp_path)
    assert (same.returncode, same.stdout.splitlines()[0]) == (0, "everything is up to date")
    content["subsets"]["aligned"]["keep"] = [{"clip_score": {"top_fraction": 0.25}}]
    recipe.write_text(yaml.safe_dump(content))
    ran = curate("plan", "--recipe", str(recipe), "--json", cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    found = json.loads(ran.stdout)
    assert {a["name"]: (a["partitions"], a["certain"]) for a in found["artifacts"]} == {
        "cuts/aligned/cut_1": (1, 1),
        "subsets/aligned": (2, 2),
        "decisions/aligned": (2, 2),
    }
    assert found["artifacts"][0]["causes"] == {"parameter fraction: 0.5 -> 0.25": 1}
    assert found["seconds"] > 0
    shown = curate("plan", "--recipe", str(recipe), cwd=tmp_path)
    assert "parameter fraction: 0.5 -> 0.25" in shown.stdout
    chosen = curate("plan", "--recipe", str(recipe), "--select", "cuts/*", "--json", cwd=tmp_path)
    assert [p["partition"] for p in json.loads(chosen.stdout)["partitions"]] == ["cuts/aligned/cut_1"]
    dry = curate("apply", "--recipe", str(recipe), "--dry-run", "--json", cwd=tmp_path)
    assert (dry.returncode, json.loads(dry.stdout)) == (0, found)
    wrong = curate("plan", "--recipe", str(recipe), "--select", "cut", cwd=tmp_path)
    assert wrong.returncode == 1
    assert "'cut' names nothing" in wrong.stderr


@pytest.mark.slow
def test_preview_counts_and_writes_nothing(applied: Curated, tmp_path: Path) -> None:
    recipe = str(applied[0].recipe.path)
    ran = curate("preview", "aligned", "--set", "clip_score.top_fraction=0.25", "--recipe", recipe, "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    (last,) = json.loads(ran.stdout)["subsets"]
    assert last["changed"]["kept"] == last["changed"]["rows_in"] // 4
    assert last["stored"]["kept"] - last["removed"] + last["added"] == last["changed"]["kept"]
    shown = curate("preview", "aligned", "--set", "clip_score.top_fraction=0.25", "--recipe", recipe, cwd=tmp_path)
    assert "aligned.clip_score.top_fraction: 0.5 -> 0.25" in shown.stdout
    assert curate("plan", "--recipe", recipe, cwd=tmp_path).returncode == 0


def test_export_writes_the_file(applied: Curated, tmp_path: Path) -> None:
    out = tmp_path / "basic.npy"
    ran = curate("export", "basic", "--out", str(out), "--recipe", str(applied[0].recipe.path), "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"path": str(out), "rows": len(np.load(out)), "format": "datacomp"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("apply",), "cannot read the recipe"),
        (("status", "--recipe", "broken.yaml"), "unknown filter; known: alignment_bin"),
        (("status", "--recipe", "empty.yaml"), "matches no file"),
        (("export", "nope", "--recipe", "empty.yaml"), "no subset 'nope'"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    head = "pool: {path: 'nothing/*.tar'}\nencoder: {model: tiny, pretrained: tiny}\n"
    (tmp_path / "broken.yaml").write_text(head + "subsets: {a: {keep: [nonsense]}}\n")
    (tmp_path / "empty.yaml").write_text(head)
    ran = curate(*arguments, cwd=tmp_path)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
def test_an_encoder_that_cannot_be_had_fails_one_asset_and_exits_with_1(drawn_pool: Path, tmp_path: Path) -> None:
    (tmp_path / "curation.yaml").write_text(
        f"pool: {{path: '{drawn_pool}/pool/*.tar'}}\nencoder: {{model: ViT-B-32, pretrained: missing.safetensors}}\n"
        "subsets: {basic: {keep: [english_caption]}}\n"
    )
    ran = curate("apply", "--json", cwd=tmp_path)
    assert ran.returncode == 1, ran.stderr
    found = json.loads(ran.stdout)
    assert "missing.safetensors" in found["failed"]["encoder"]
    assert "subsets/basic[00000]" in found["materialized"]
    assert found["held_back"]["embeddings[00000]"] == "waits for encoder"


def test_another_folder_is_refused_for_the_demo(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "mine.tar").write_bytes(b"mine")
    ran = curate("demo", ".", "--shards", "1", "--samples", "60", cwd=tmp_path)
    assert ran.returncode == 2
    assert "nothing was overwritten" in ran.stderr
    assert (tmp_path / "pool" / "mine.tar").read_bytes() == b"mine"


@pytest.mark.slow
def test_an_interrupted_apply_stops_at_once_and_goes_on_later(drawn_pool: Path, tmp_path: Path) -> None:
    (tmp_path / "curation.yaml").write_text(
        f"pool: {{path: '{drawn_pool}/pool/*.tar'}}\nencoder: {{model: ViT-B-32, pretrained: missing.safetensors}}\n"
        "subsets: {basic: {keep: [english_caption]}}\n"
    )
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / ".dagster"), "PYTHONUNBUFFERED": "1"}
    program = [sys.executable, "-c", "from curation_assets.cli import main; main()", "apply"]
    with subprocess.Popen(
        program, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as running:
        for line in running.stderr:
            if "caption_language[00000]" in line:
                running.send_signal(signal.SIGINT)
                break
        said = running.stderr.read()
    assert running.returncode == 130, said
    assert "goes on from there" in said
    assert "Traceback" not in said
    again = json.loads(curate("apply", "--json", cwd=tmp_path).stdout)
    assert "raw_pool[00000]" not in again["materialized"]
    assert "subsets/basic[00001]" in again["materialized"]
