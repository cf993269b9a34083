"""Whether a caption names something of ImageNet-21k, by the first synset of its words."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.word_list import read_word_list, required_path
from curation_assets.algorithms.wordnet import WordNet, read_wordnet
from curation_assets.algorithms.wordnet import first_synset as first_synset_of
from curation_assets.errors import RecipeError
from curation_assets.spec import Outside, Score
from curation_assets.tables import Column

_IMAGENET_21K = Path("data", "_info", "imagenet21k_goog_synsets.txt")  # byte for byte the list that DataComp downloads


def first_synset(
    text: np.ndarray,
    *,
    wordnet: Annotated[
        str | None, Outside(), Field(description="folder of WordNet 3.0's index.* and *.exc files, e.g. /usr/share/wordnet")
    ] = None,
    synsets: Annotated[
        str | None, Outside(), Field(description="file of WordNet ids such as n02084071; default: the 21,843 of ImageNet-21k")
    ] = None,
) -> dict[str, np.ndarray]:
    """Words of the caption whose first WordNet synset is in a list of synsets, and the first such synset.

    A word is what `str.split()` separates; punctuation stays on it, so that `dog,` names nothing, and a lemma of two words
    is never found. Only a word's most frequent sense counts, as a noun if it is one. Offsets are compared without part of
    speech: a verb whose offset is that of a listed noun counts too, which the letter before the offset shows. With
    Princeton's files these are 34 of 88,082 single words (`installed`, `visual`); Debian's wordnet-base has the same nouns
    but other offsets of verbs and adjectives, and 39 other such words. Everything else is the same.

    Args:
        text: str objects, shape (n,).
        wordnet: folder of WordNet 3.0's index.* and *.exc files.
        synsets: file of WordNet ids; none for the 21,843 of ImageNet-21k.

    Returns:
        listed_synset_words, int32, shape (n,), how many words count; first_matching_synset, str objects, part of speech
        and offset of the first one, empty where there is none.

    Raises:
        RecipeError: `wordnet` is not given, or a file is not what it should be.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, text-based filtering; code mlfoundations/datacomp at 4a8df199, which
        looks at words in order until one counts. It compares with a list in memory; here with a set, to the same end.
    """
    folder = required_path(wordnet, score="first_synset", setting="wordnet", meaning="the dictionary folder of WordNet 3.0")
    dictionary, listed = read_wordnet(folder), _offsets(Path(synsets) if synsets else _imagenet_21k())
    seen: dict[str, str] = {}
    found = [[name for word in caption.split() if (name := _listed(word, dictionary, listed, seen))] for caption in text]
    return {
        "listed_synset_words": np.fromiter((len(names) for names in found), np.int32, len(text)),
        "first_matching_synset": np.array([names[0] if names else "" for names in found], dtype=object),
    }


def _listed(word: str, dictionary: WordNet, listed: frozenset[int], seen: dict[str, str]) -> str:
    """Name of the word's first synset if that is in the list, else an empty text; words are looked up once."""
    if word not in seen:
        synset = first_synset_of(dictionary, word)
        seen[word] = f"{synset[0]}{synset[1]:08}" if synset and synset[1] in listed else ""
    return seen[word]


def _offsets(path: Path) -> frozenset[int]:
    entries = read_word_list(path)
    wrong = [entry for entry in entries if not entry.removeprefix(entry[:1]).isdigit()]
    if wrong:
        raise RecipeError(f"{path} is no list of WordNet ids such as n02084071; found {wrong[:3]}")
    return frozenset(int(entry[1:]) for entry in entries)


def _imagenet_21k() -> Path:
    """The list inside timm, which open_clip needs anyway; found without importing timm, which would load torch."""
    found = find_spec("timm")
    path = Path(next(iter(found.submodule_search_locations or [""])) if found else "", _IMAGENET_21K)
    if not path.is_file():
        raise RecipeError(f"score first_synset: no {_IMAGENET_21K.name} in the package timm; set `synsets` to a list of ids")
    return path


SCORE = Score(
    compute=first_synset,
    columns=(
        Column("listed_synset_words", pa.int32(), "words whose first WordNet synset is in the list", bounds=(0, None)),
        Column("first_matching_synset", pa.string(), "part of speech and offset of the first one; empty when there is none"),
    ),
    source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199",
    version="1",
    is_on_demand=True,
)
