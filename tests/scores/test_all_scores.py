"""One contract over the folder scores/: what every score promises, whoever wrote it."""

import dataclasses
import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation_assets.algorithms.measurement import measure
from curation_assets.algorithms.vectors import from_binary, to_binary
from curation_assets.scores import all_scores
from curation_assets.spec import Score
from curation_assets.summaries import all_summaries
from curation_assets.summaries.clip_score_counts import clip_score_counts
from curation_assets.summaries.reference_pairs import reference_pairs
from curation_assets.tables import MEASURED

FOLDER = Path(__file__).parents[2] / "curation_assets" / "scores"
SECTIONS = ("Args:", "Returns:", "Source:")
CAPTIONS = ("a photo of a dog", "", " ", "un chien qui court", "日本語", "\u200b", "x" * 300, "two\nlines", "😀", "3")


def _unit_rows(n: int, rng: np.random.Generator) -> pa.Array:
    rows = rng.normal(size=(n, 24))
    return to_binary(rows / np.linalg.norm(rows, axis=1, keepdims=True), "<f2")


# How a stored column that scores may read is made up; a score that reads another one adds it here.
MADE_UP: dict[str, Callable[[int, np.random.Generator], pa.Array]] = {
    "text": lambda n, rng: pa.array([CAPTIONS[i] for i in rng.integers(0, len(CAPTIONS), n)]),
    "width": lambda n, rng: pa.array(rng.integers(1, 5000, n), pa.int32()),
    "height": lambda n, rng: pa.array(rng.integers(1, 5000, n), pa.int32()),
    "image_embedding": _unit_rows,
    "text_embedding": _unit_rows,
    "centroid_similarity": lambda n, rng: pa.array(rng.uniform(-1, 1, n), pa.float32()),
    "uid_hi": lambda n, rng: pa.array(rng.integers(-(2**63), 2**63 - 1, n), pa.int64()),
    "uid_lo": lambda n, rng: pa.array(rng.integers(-(2**63), 2**63 - 1, n), pa.int64()),
    "cluster_id": lambda n, rng: pa.array(rng.integers(0, 5, n), pa.int32()),
    "clip_score": lambda n, rng: pa.array(rng.uniform(-1, 1, n), pa.float32()),
    "metaclip_matches": lambda n, rng: pa.array([rng.integers(0, 9, k) for k in rng.integers(0, 4, n)], pa.list_(pa.int32())),
    "minuend": lambda n, rng: pa.array(rng.normal(size=n), pa.float32()),
    "subtrahend": lambda n, rng: pa.array(rng.normal(size=n), pa.float32()),
}

# Inputs that a score is handed over whole, whatever rows it is given: a target set, and summaries of the pool.
WHOLE: dict[str, Callable[[], object]] = {
    "target_embedding": lambda: from_binary(_unit_rows(9, np.random.default_rng(9)), "<f2"),
    "reference_pairs": lambda: reference_pairs(
        *(from_binary(_unit_rows(9, np.random.default_rng(seed)), "<f2") for seed in (7, 8)), np.arange(9), np.arange(9)
    ),
    "metaclip_counts": lambda: {"metaclip_entry": np.arange(9, dtype=np.int32), "metaclip_count": 10 ** np.arange(9)},
    "clip_score_counts": lambda: clip_score_counts(np.linspace(-1, 1, 50, dtype=np.float32)),
    "cluster_targets": lambda: {"cluster_id": np.int32([0, 3, 7]), "targets": np.int64([4, 1, 9])},
    "cluster_statistics": lambda: {"cluster_id": np.arange(5, dtype=np.int32), "cluster_rows": np.int64([9, 1, 2, 5, 4])},
}


def with_whole_inputs(score: Score) -> Score:
    """The score as a function of its columns alone."""
    whole = {name: WHOLE[name]() for name in score.inputs if name in WHOLE}
    columns = [name for name in score.inputs if name not in whole]

    def compute(*values: np.ndarray) -> object:
        given = dict(zip(columns, values, strict=True)) | whole
        return score.compute(*(given[name] for name in score.inputs))

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    compute.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in columns])
    return dataclasses.replace(score, compute=compute)


def made_up(score: Score, n: int, seed: int = 0) -> dict[str, pa.Array]:
    rng = np.random.default_rng(seed)
    return {name: MADE_UP[name](n, rng) for name in score.inputs}


scores = pytest.mark.parametrize(("name", "score"), all_scores().items(), ids=list(all_scores()))
of_columns = pytest.mark.parametrize(
    ("name", "score"), [(name, with_whole_inputs(score)) for name, score in all_scores().items()], ids=list(all_scores())
)


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
def test_inputs_are_stored_columns_and_settings_have_defaults(name: str, score: Score):
    known = {column for table in MEASURED.values() for column in table.names}
    known |= {column.name for other in all_scores().values() for column in other.columns}
    known |= {*all_summaries(), "target_embedding", "minuend", "subtrahend"}
    assert score.inputs
    assert set(score.inputs) <= known
    settings = [p for p in inspect.signature(score.compute).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert all(p.default is not p.empty for p in settings), "the asset calls it without settings"


@of_columns
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


@of_columns
def test_result_has_the_declared_type_before_it_is_stored(name: str, score: Score):
    # A wider type would be narrowed in silence, so that the function and its column would differ.
    seen = {}

    def recorded(*columns: np.ndarray) -> object:
        seen["result"] = score.compute(*columns)
        return seen["result"]

    recorded.__signature__ = inspect.signature(score.compute)
    measure(Score(recorded, score.columns, score.source, score.version), made_up(score, 3))
    result = seen["result"] if isinstance(seen["result"], dict) else {name: seen["result"]}
    for column in score.columns:
        assert pa.array(result[column.name]).type == column.type


@of_columns
def test_inputs_are_left_untouched(name: str, score: Score):
    inputs = made_up(score, 20)
    before = {column: values.to_pylist() for column, values in inputs.items()}
    measure(score, inputs)
    assert {column: values.to_pylist() for column, values in inputs.items()} == before


@of_columns
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


@of_columns
def test_a_row_without_an_input_has_no_value_and_a_reason(name: str, score: Score):
    inputs = made_up(score, 6)
    for missing in score.inputs:
        values = inputs[missing].to_pylist()
        holed = pa.array([None if i in (0, 3) else v for i, v in enumerate(values)], inputs[missing].type)
        measured = measure(score, {**inputs, missing: holed})
        for column in score.columns:
            assert measured[column.name].is_null().to_pylist() == [True, False, False, True, False, False]
        assert measured["reason"].to_pylist() == ["an input is missing", None, None, "an input is missing", None, None]


@of_columns
def test_no_rows_are_no_error(name: str, score: Score):
    measured = measure(score, made_up(score, 3) and {c: v.slice(0, 0) for c, v in made_up(score, 3).items()})
    assert {column.name: measured[column.name].type for column in score.columns} == {c.name: c.type for c in score.columns}
    assert all(len(values) == 0 for values in measured.values())
