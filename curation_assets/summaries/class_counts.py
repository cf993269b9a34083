"""How many captions of the pool name each class of a list."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.word_list import read_word_list, required_path
from curation_assets.algorithms.word_matching import matching_entries, word_matcher
from curation_assets.spec import ClassFile, IsSpaced, Summary
from curation_assets.tables import Column


def class_counts(
    text: np.ndarray,
    *,
    classes: ClassFile = None,
    is_spaced: IsSpaced = True,
) -> dict[str, np.ndarray]:
    """Captions that name each class, by the rule of score `class_names`; a caption counts once for each of its classes.

    Args:
        text: str objects, shape (n,).
        classes: file of class names.
        is_spaced: whether names must stand as whole words.

    Returns:
        `named_class`, int32, ascending, position in the list, of classes with a caption only; `named_class_captions`, int64.

    Raises:
        RecipeError: `classes` is not given, or is no list.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, text-based sampling.
    """
    path = required_path(classes, score="text_based_copies", setting="classes", meaning="a file of class names")
    matcher = word_matcher(read_word_list(path), is_spaced=is_spaced)
    matched = np.fromiter((position for caption in text for position in matching_entries(matcher, caption)), np.int32)
    named, captions = np.unique(matched, return_counts=True)
    return {"named_class": named, "named_class_captions": captions.astype(np.int64)}


def merged_counts(
    counts: Mapping[str, np.ndarray], *, classes: str | None = None, is_spaced: bool = True
) -> dict[str, np.ndarray]:
    """Counts of all rows, from counts of parts of them; the settings do not matter any more."""
    named, place = np.unique(counts["named_class"], return_inverse=True)
    captions = np.zeros(len(named), np.int64)
    np.add.at(captions, place, counts["named_class_captions"])
    return {"named_class": named.astype(np.int32), "named_class_captions": captions}


SUMMARY = Summary(
    compute=class_counts,
    merge=merged_counts,
    columns=(
        Column("named_class", pa.int32(), "class, as position in the list", bounds=(0, None)),
        Column("named_class_captions", pa.int64(), "captions that name it", bounds=(1, None)),
    ),
    source="DataComp, arXiv:2304.14108, text-based sampling",
    version="1",
)
