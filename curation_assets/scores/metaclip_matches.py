"""Entries of MetaCLIP's metadata that a caption holds."""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.metaclip_text import matching_metadata, metadata_index
from curation_assets.algorithms.word_list import read_word_list, required_path
from curation_assets.spec import Outside, Score, Values
from curation_assets.tables import Column


def metaclip_matches(
    text: np.ndarray,
    *,
    entries: Annotated[
        str | None, Outside(), Field(description="metadata file: a JSON list of strings, or one entry per line")
    ] = None,
) -> dict[str, Values]:
    """Entries of a list of concepts that the caption holds, by MetaCLIP's rule, and how many they are.

    Case counts. An entry matches between spaces, the ends of the caption, backticks and any of , . ; : ? ! but not between
    quotes, brackets, slashes or hyphens. With 500,000 entries a caption takes about 50 us (a search for each entry 80 ms;
    one core of an AMD EPYC, November 2026), and no longer with more. Numbers are positions in the list: another list has
    other ones.

    Args:
        text: str objects, shape (n,).
        entries: file of the metadata; its order numbers the entries.

    Returns:
        metaclip_matches, list<int32>, n lists of positions, ascending, each entry once; metaclip_match_count, int32, shape
        (n,).

    Raises:
        RecipeError: `entries` is not given, or is no list.

    Source:
        Xu et al. 2023, Demystifying CLIP Data, arXiv:2309.16671; behaviour of facebookresearch/MetaCLIP at f47f7841, which
        searches for every entry in every text. Its second version, which pads entries otherwise in scripts without spaces,
        is not this one.
    """
    path = required_path(entries, score="metaclip_matches", setting="entries", meaning="MetaCLIP's metadata, a list of entries")
    index = metadata_index(read_word_list(path))
    matched = [matching_metadata(index, caption) for caption in text]
    return {
        "metaclip_matches": pa.array(matched, pa.list_(pa.int32())),
        "metaclip_match_count": np.fromiter(map(len, matched), np.int32, len(text)),
    }


SCORE = Score(
    compute=metaclip_matches,
    columns=(
        Column("metaclip_matches", pa.list_(pa.int32()), "entries in the caption, as positions in the list"),
        Column("metaclip_match_count", pa.int32(), "entries in the caption", bounds=(0, None)),
    ),
    source="MetaCLIP, arXiv:2309.16671; facebookresearch/MetaCLIP at f47f7841",
    version="1",
    is_on_demand=True,
)
