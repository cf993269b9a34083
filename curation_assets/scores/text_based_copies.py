"""How often a sample is repeated so that the classes that captions name are drawn evenly."""

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.keyed_uniform import keyed_uniform
from curation_assets.algorithms.word_list import read_word_list, required_path
from curation_assets.algorithms.word_matching import matching_entries, word_matcher
from curation_assets.errors import SchemaError
from curation_assets.spec import ClassFile, IsSpaced, Score
from curation_assets.tables import Column


def text_based_copies(
    text: np.ndarray,
    class_counts: Mapping[str, np.ndarray],
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    classes: ClassFile = None,
    is_spaced: IsSpaced = True,
    by: Annotated[
        Literal["balanced", "proportional"], Field(description="classes are drawn equally often, or by their captions")
    ] = "balanced",
    budget: Annotated[int, Field(ge=1, description="rows wanted, copies counted")] = 12_800_000,
    seed: Annotated[int, Field(ge=0, description="names the draw")] = 0,
) -> dict[str, np.ndarray]:
    """Copies of each sample in a draw of classes, then of samples whose caption names the class.

    A row is expected budget * sum of q_c / n_c times, over the classes c that its caption names, with n_c captions that name
    c, and q_c the probability of c: 1 over the number of classes with captions, or n_c over the sum of all n. It has that
    many copies, rounded down or up by a draw of its own, so that the sum is the budget on average. Classes are counted over
    the whole pool, whatever other filters keep.

    Args:
        text: str objects, shape (n,).
        class_counts: columns of the summary of that name, made with the same list.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        classes: file of class names.
        is_spaced: whether names must stand as whole words.
        by: how classes are drawn.
        budget: rows wanted.
        seed: names the draw.

    Returns:
        `text_based_copies`, int64, shape (n,), >= 0, and `text_based_expected`, float64, what it is on average.

    Raises:
        RecipeError: `classes` is not given, or is no list.
        SchemaError: a caption names a class that has no count, so that the counts are of other rows.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, text-based sampling, which the paper describes without code. There
        rows are drawn with replacement one after another; here each row's count depends on its uid and caption alone.
    """
    path = required_path(classes, score="text_based_copies", setting="classes", meaning="a file of class names")
    names = read_word_list(path)
    matcher = word_matcher(names, is_spaced=is_spaced)
    share = _shares(class_counts, len(names), by)
    matched = [matching_entries(matcher, caption) for caption in text]
    unknown = sorted({names[position] for positions in matched for position in positions if np.isnan(share[position])})
    if unknown:
        raise SchemaError(f"text_based_copies: captions name {unknown[:3]}, which class_counts has not; make it again")
    expected = budget * np.fromiter((share[positions].sum() for positions in matched), np.float64, len(text))
    whole = np.floor(expected)
    is_up = keyed_uniform(uid_hi, uid_lo, seed=seed, method="text_based_copies") <= expected - whole
    return {"text_based_copies": (whole + is_up).astype(np.int64), "text_based_expected": expected}


def _shares(class_counts: Mapping[str, np.ndarray], classes: int, by: str) -> np.ndarray:
    """q_c / n_c by class: what one caption of the class is drawn in one draw; NaN for classes without captions."""
    captions = class_counts["named_class_captions"]
    share = np.full(classes, np.nan)
    share[class_counts["named_class"]] = 1 / captions.sum() if by == "proportional" else 1 / (len(captions) * captions)
    return share


SCORE = Score(
    compute=text_based_copies,
    columns=(
        Column("text_based_copies", pa.int64(), "times that the sample is repeated", bounds=(0, None)),
        Column("text_based_expected", pa.float64(), "times that it is repeated on average", bounds=(0, None)),
    ),
    source="DataComp, arXiv:2304.14108, text-based sampling",
    version="1",
    is_on_demand=True,
)
