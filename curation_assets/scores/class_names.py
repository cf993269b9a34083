"""Which names of a list of classes a caption mentions."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.word_list import read_word_list, required_path
from curation_assets.algorithms.word_matching import matching_entries, word_matcher
from curation_assets.spec import ClassFile, IsSpaced, Score
from curation_assets.tables import Column


def class_names(
    text: np.ndarray,
    *,
    classes: ClassFile = None,
    is_spaced: IsSpaced = True,
) -> dict[str, np.ndarray]:
    """How many classes of a list the caption names, and the first of them.

    Names are compared without regard to case and width, with white space as single spaces; `hot dog` is found in
    `Hot\\tdogs` no more than `dog` in `hotdog`. There is no morphology: put the plural on the list. A name that is in the
    list twice is one class.

    Args:
        text: str objects, shape (n,).
        classes: file of class names.
        is_spaced: whether names must stand as whole words.

    Returns:
        matched_classes, int32, shape (n,); first_class, str objects, the name as the list writes it that begins first in
        the caption, the longest of those, empty where there is none.

    Raises:
        RecipeError: `classes` is not given, or is no list.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, text-based sampling: captions that name a class of ImageNet. The
        paper gives no code; whole words and the normal form are of this project.
    """
    path = required_path(classes, score="class_names", setting="classes", meaning="a file of class names")
    names = read_word_list(path)
    matcher = word_matcher(names, is_spaced=is_spaced)
    found = [matching_entries(matcher, caption) for caption in text]
    return {
        "matched_classes": np.fromiter((len(matched) for matched in found), np.int32, len(text)),
        "first_class": np.array([names[matched[0]] if matched else "" for matched in found], dtype=object),
    }


SCORE = Score(
    compute=class_names,
    columns=(
        Column("matched_classes", pa.int32(), "classes of the list that the caption names", bounds=(0, None)),
        Column("first_class", pa.string(), "the class that it names first; empty when there is none"),
    ),
    source="DataComp, arXiv:2304.14108, text-based sampling",
    version="1",
    is_on_demand=True,
)
