"""Copies by named classes: expectations as a sum over draws, and copies around them."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from curation_assets.errors import RecipeError, SchemaError
from curation_assets.scores.text_based_copies import text_based_copies
from curation_assets.summaries.class_counts import class_counts

NAMES = ["dog", "cat", "hot dog", "unicorn"]
TEXTS = np.array(["a dog", "a Dog and a cat", "hot dog", "nothing", "cat", "a dog", "dogs"] * 3, object)
N = len(TEXTS)


@pytest.fixture
def classes(tmp_path: Path) -> str:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(NAMES))
    return str(path)


def copies(classes: str, seed: int = 0, budget: int = 100, by: str = "balanced") -> tuple[list[int], list[float]]:
    counts = class_counts(TEXTS, classes=classes)
    uid = np.arange(N)
    made = text_based_copies(TEXTS, counts, uid, uid, classes=classes, budget=budget, seed=seed, by=by)
    return made["text_based_copies"].tolist(), made["text_based_expected"].tolist()


@pytest.mark.parametrize("by", ["balanced", "proportional"])
@pytest.mark.parametrize("budget", [1, 21, 12_800_000])
def test_expectations_are_those_of_drawing_a_class_and_then_a_caption(classes: str, by: str, budget: int):
    holds = [[name for name in NAMES if f" {name} " in f" {text.lower()} "] for text in TEXTS]
    captions = {name: sum(name in found for found in holds) for name in NAMES}
    drawn = [name for name in NAMES if captions[name]]
    total = sum(captions.values())
    expected = [Fraction(0)] * N
    for name in drawn:
        chance = Fraction(1, len(drawn)) if by == "balanced" else Fraction(captions[name], total)
        for row in (row for row, found in enumerate(holds) if name in found):
            expected[row] += budget * chance / captions[name]
    assert sum(expected) == budget
    copied, found = copies(classes, budget=budget, by=by)
    assert found == pytest.approx([float(one) for one in expected], rel=1e-12)
    for count, mean in zip(copied, expected, strict=True):
        assert count in (math.floor(mean), math.ceil(mean))


def test_copies_are_the_expectation_on_average(classes: str):
    seeds = 400
    mean = np.mean([copies(classes, seed=seed)[0] for seed in range(seeds)], axis=0)
    # Standard deviation of a rounded number is at most 1/2; five of them.
    np.testing.assert_allclose(mean, copies(classes)[1], atol=5 * 0.5 / math.sqrt(seeds))


def test_counts_of_other_rows_and_missing_lists_are_refused(classes: str):
    uid = np.arange(N)
    counts = class_counts(TEXTS[:1], classes=classes)
    with pytest.raises(SchemaError, match=r"captions name \['cat', 'hot dog'\], which class_counts has not"):
        text_based_copies(TEXTS, counts, uid, uid, classes=classes)
    with pytest.raises(RecipeError, match=r"text_based_copies needs the setting `classes`"):
        text_based_copies(TEXTS, counts, uid, uid)
