"""One contract over the folder scores/: what every score promises, whoever wrote it."""

import atexit
import inspect
import re
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation_assets.algorithms.measurement import measure
from curation_assets.algorithms.vectors import to_binary
from curation_assets.instance import Whole
from curation_assets.instances import Instances
from curation_assets.methods import described
from curation_assets.scores import all_scores
from curation_assets.spec import Score
from curation_assets.summaries.clip_score_counts import clip_score_counts
from tests.small_wordnet import write_wordnet

FOLDER = Path(__file__).parents[2] / "curation_assets" / "scores"
SECTIONS = ("Args:", "Returns:", "Source:")
CAPTIONS = ("a photo of a dog", "", " ", "un chien qui court", "日本語", "\u200b", "x" * 300, "two\nlines", "😀", "3")
URLS = (
    "https://www.Example.org/a.jpg",
    "",
    "no url",
    "http://user@[::1]:80/x",
    "//b.example.com",
    "https://例え.jp/写真",
    "http://[",
)


def _unit_rows(n: int, rng: np.random.Generator) -> pa.Array:
    rows = rng.normal(size=(n, 24))
    return to_binary(rows / np.linalg.norm(rows, axis=1, keepdims=True), "<f2")


# How a stored column that scores may read is made up; a score that reads another one adds it here.
MADE_UP: dict[str, Callable[[int, np.random.Generator], pa.Array]] = {
    "text": lambda n, rng: pa.array([CAPTIONS[i] for i in rng.integers(0, len(CAPTIONS), n)]),
    "width": lambda n, rng: pa.array(rng.integers(1, 5000, n), pa.int32()),
    "height": lambda n, rng: pa.array(rng.integers(1, 5000, n), pa.int32()),
    "image_bytes": lambda n, rng: pa.array(rng.integers(1, 2**40, n), pa.int64()),
    "url": lambda n, rng: pa.array([URLS[i] for i in rng.integers(0, len(URLS), n)]),
    "caption_language": lambda n, rng: pa.array([("en", "und", "ja", "de")[i] for i in rng.integers(0, 4, n)]),
    "image_embedding": _unit_rows,
    "text_embedding": _unit_rows,
    "centroid_similarity": lambda n, rng: pa.array(rng.uniform(-1, 1, n), pa.float32()),
    "stored_clip_b32_score": lambda n, rng: pa.array(rng.uniform(-1, 1, n), pa.float32()),
    "stored_clip_l14_score": lambda n, rng: pa.array(rng.uniform(-1, 1, n), pa.float32()),
    "clip_score": lambda n, rng: pa.array(rng.uniform(-1, 1, n), pa.float32()),
    "minuend": lambda n, rng: pa.array(rng.uniform(-1, 1, n), pa.float32()),
    "subtrahend": lambda n, rng: pa.array(rng.uniform(-1, 1, n), pa.float32()),
    "metaclip_matches": lambda n, rng: pa.array([rng.integers(0, 5, i % 3).tolist() for i in range(n)], pa.list_(pa.int32())),
    "cluster_id": lambda n, rng: pa.array(rng.integers(0, 5, n), pa.int32()),
    "image_sha256": lambda n, rng: pa.array([bytes([i]) * 32 for i in rng.integers(0, 9, n)]),
    "perceptual_hash": lambda n, rng: pa.array(rng.integers(0, 99, n), pa.int64()),
    "mirrored_hash": lambda n, rng: pa.array(rng.integers(0, 99, n), pa.int64()),
    "detail_hash": lambda n, rng: pa.array([bytes([i]) * 64 for i in rng.integers(0, 9, n)]),
    "preference": lambda n, rng: pa.array(rng.integers(0, 9, n), pa.float64()),
    "uid_hi": lambda n, rng: pa.array(rng.integers(-(2**63), 2**63 - 1, n), pa.int64()),
    "uid_lo": lambda n, rng: pa.array(rng.integers(-(2**63), 2**63 - 1, n), pa.int64()),
}


_FILES = Path(tempfile.mkdtemp(prefix="scores-"))
atexit.register(shutil.rmtree, _FILES, ignore_errors=True)
write_wordnet(_FILES / "wordnet")
(_FILES / "words").mkdir()
(_FILES / "words" / "en.txt").write_text("dog\na photo\ntwo\n")
(_FILES / "places.txt").write_text("example.org\nb.example.com/x\n")


def _vectors(n: int) -> np.ndarray:
    rows = np.random.default_rng(n).normal(size=(n, 24)).astype(np.float16).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# Small tables that a score may get as a whole; a score that reads another one adds it here.
WHOLE: dict[str, Whole] = {
    "target_embedding": _vectors(5),
    "reference_pairs": {
        "uid_hi": np.arange(4),
        "uid_lo": np.arange(4),
        "reference_image": _vectors(4),
        "reference_text": _vectors(8)[:4],
    },
    "clip_score_counts": clip_score_counts(np.linspace(-1, 1, 50, dtype=np.float32)),
    "cluster_targets": {"cluster_id": np.int32([0, 3, 7]), "targets": np.int64([4, 1, 9])},
    "cluster_statistics": {"cluster_id": np.arange(5, dtype=np.int32), "cluster_rows": np.int64([9, 1, 2, 5, 4])},
    "hierarchical_quota": {"cluster_id": np.arange(5, dtype=np.int32), "quota": np.int64([3, 0, 2, 5, 1])},
    "density_quotas": {"cluster_id": np.arange(5, dtype=np.int32), "cluster_quota": np.int64([3, 0, 2, 5, 1])},
    "class_counts": {"named_class": np.arange(3, dtype=np.int32), "named_class_captions": np.int64([3, 1, 4])},
    "metaclip_counts": {"metaclip_entry": np.arange(5), "metaclip_count": np.array([1, 10**5, 3, 10**6, 2])},
}
# Settings that a score does not work without.
SETTINGS: dict[str, dict[str, object]] = {
    "blocked_words": {"words": _FILES / "words"},
    "class_names": {"classes": _FILES / "words" / "en.txt"},
    "first_synset": {"wordnet": _FILES / "wordnet"},
    "listed_url": {"places": _FILES / "places.txt"},
    "metaclip_matches": {"entries": _FILES / "words" / "en.txt"},
    "text_based_copies": {"classes": _FILES / "words" / "en.txt"},
    "image_based": {"target": "pictures"},
    "image_based_copies": {"target": "pictures"},
    "normsim": {"target": "pictures"},
    "target_similarity": {"target": "pictures"},
}


def made_up(score: Score, n: int, seed: int = 0) -> dict[str, pa.Array]:
    rng = np.random.default_rng(seed)
    return {name: MADE_UP[name](n, rng) for name in score.inputs}


@cache
def bound(name: str) -> Score:
    """The score as a shard calls it: settings, files and small tables filled in."""
    instance = Instances({name: {"x": {k: str(v) for k, v in SETTINGS.get(name, {}).items()}}}, ("pictures",)).score(name, "x")
    return instance.bound({name: WHOLE[name] for name, source in instance.sources.items() if source.is_whole}, {})


scores = pytest.mark.parametrize(("name", "score"), all_scores().items(), ids=list(all_scores()))
ready = pytest.mark.parametrize(("name", "score"), [(n, bound(n)) for n in all_scores()], ids=list(all_scores()))


def test_every_file_of_the_folder_is_registered():
    assert sorted(all_scores()) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@scores
def test_one_name_for_module_function_and_asset(name: str, score: Score):
    assert score.compute.__name__ == name
    assert score.compute.__module__ == f"curation_assets.scores.{name}"
    assert import_module(f"curation_assets.scores.{name}").SCORE is score
    assert (inspect.getmodule(score.compute).__doc__ or "").strip()


@scores
def test_docstring_has_its_sections_and_a_source(name: str, score: Score):
    docstring = inspect.getdoc(score.compute)
    assert [section for section in SECTIONS if f"\n{section}\n" not in docstring] == []
    assert score.summary.endswith(".")
    assert re.search(r"\d{4}", docstring.partition("Source:")[2]), "a source has a year"
    assert score.source.strip()
    assert re.fullmatch(r"\d+", score.version)
    described = docstring.partition("Args:")[2].partition("Returns:")[0]
    assert all(f"{parameter}:" in described for parameter in score.inputs)


@scores
def test_settings_have_defaults_bounds_and_a_meaning(name: str, score: Score):
    assert score.inputs
    assert all(p.default is not p.empty for p in score.settings.values())
    assert all(setting.meaning for setting in described(score.settings))
    described_in_words = inspect.getdoc(score.compute).partition("Args:")[2].partition("Returns:")[0]
    assert all(f"{setting}:" in described_in_words for setting in score.settings)


@pytest.mark.parametrize(("name", "score"), [(n, s) for n, s in all_scores().items() if s.update is not None])
def test_update_takes_the_same_columns_and_settings(name: str, score: Score):
    kinds = inspect.signature(score.update).parameters
    positional = [p for p in kinds if kinds[p].kind is not inspect.Parameter.KEYWORD_ONLY]
    assert positional == [*score.inputs, "former", "is_new"]
    assert set(kinds) - set(positional) == set(score.settings)


@ready
@pytest.mark.parametrize("n", [1, 2, 57])
def test_columns_have_their_type_length_and_bounds(name: str, score: Score, n: int):
    measured = measure(score, made_up(score, n))
    assert list(measured) == [*(column.name for column in score.columns), "reason"]
    for column in score.columns:
        values = measured[column.name]
        assert (values.type, len(values), values.null_count) == (column.type, n, 0)
        if column.is_number:
            low, high = column.bounds
            numbers = values.to_numpy()
            assert np.isfinite(numbers).all()
            assert low is None or numbers.min() >= low
            assert high is None or numbers.max() <= high


@ready
def test_result_has_the_declared_type_before_it_is_stored(name: str, score: Score):
    # A wider type would be narrowed in silence, so that the function and its column would differ.
    seen = {}

    def recorded(*columns: np.ndarray) -> object:
        seen["result"] = score.compute(*columns)
        return seen["result"]

    recorded.__signature__ = inspect.signature(score.compute)
    measure(Score(recorded, score.columns, score.source, score.version), made_up(score, 3))
    result = seen["result"]
    for column in score.columns:
        assert pa.array(result[column.name]).type == column.type


@ready
def test_inputs_are_left_untouched(name: str, score: Score):
    inputs = made_up(score, 20)
    before = {column: values.to_pylist() for column, values in inputs.items()}
    measure(score, inputs)
    assert {column: values.to_pylist() for column, values in inputs.items()} == before


@ready
def test_order_does_not_matter_and_samples_are_measured_by_themselves(name: str, score: Score):
    inputs = made_up(score, 31, seed=1)
    whole = measure(score, inputs)
    order = np.random.default_rng(2).permutation(31)
    shuffled = measure(score, {column: values.take(pa.array(order)) for column, values in inputs.items()})
    for column in score.columns:
        assert shuffled[column.name].equals(whole[column.name].take(pa.array(order)))
    if score.scope != "sample":
        return
    parts = [measure(score, {c: v.slice(at, 7) for c, v in inputs.items()}) for at in range(0, 31, 7)]
    for column in score.columns:
        assert pa.concat_arrays([part[column.name] for part in parts]).equals(whole[column.name])


@ready
def test_a_row_without_an_input_has_no_value_and_a_reason(name: str, score: Score):
    inputs = made_up(score, 6)
    for missing in score.inputs:
        values = inputs[missing].to_pylist()
        holed = pa.array([None if i in (0, 3) else v for i, v in enumerate(values)], inputs[missing].type)
        measured = measure(score, {**inputs, missing: holed})
        for column in score.columns:
            assert measured[column.name].is_null().to_pylist() == [True, False, False, True, False, False]
        assert measured["reason"].to_pylist() == ["an input is missing", None, None, "an input is missing", None, None]


@ready
def test_no_rows_are_no_error(name: str, score: Score):
    measured = measure(score, made_up(score, 3) and {c: v.slice(0, 0) for c, v in made_up(score, 3).items()})
    assert {column.name: measured[column.name].type for column in score.columns} == {c.name: c.type for c in score.columns}
    assert all(len(values) == 0 for values in measured.values())
