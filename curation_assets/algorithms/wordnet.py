"""WordNet's dictionary files: from a word as it is written to its synset."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from curation_assets.errors import RecipeError

# Parts of speech in the order in which NLTK lists synsets, with the files' names.
_PARTS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}

# Endings that may be replaced to find a lemma: WordNet's manual page morphy(7WN), in NLTK's order.
_ENDINGS = {
    "n": (
        *(("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z")),
        *(("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y")),
    ),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}


@dataclass(frozen=True)
class WordNet:
    """A dictionary, by part of speech (n, v, a, r).

    Args:
        first: byte offset of each lemma's first, most frequent synset.
        exceptions: lemmas of irregular forms.
    """

    first: Mapping[str, Mapping[str, int]]
    exceptions: Mapping[str, Mapping[str, tuple[str, ...]]]


def read_wordnet(folder: Path) -> WordNet:
    """A dictionary folder of WordNet 3.0, such as /usr/share/wordnet of Debian's package wordnet-base.

    About 0.4 s for the whole of WordNet, once per content.

    Args:
        folder: has index.noun, index.verb, index.adj, index.adv, noun.exc, verb.exc, adj.exc, adv.exc.

    Raises:
        RecipeError: a file is missing, or a line of an index is not as WordNet writes it.
    """
    names = [*(f"index.{name}" for name in _PARTS.values()), *(f"{name}.exc" for name in _PARTS.values())]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise RecipeError(f"{folder} is no WordNet dictionary: no {', '.join(missing)}; Debian has it as wordnet-base")
    try:
        return _parsed(*((folder / name).read_bytes() for name in names))
    except (IndexError, ValueError) as error:
        raise RecipeError(f"{folder} is no WordNet 3.0 dictionary: {error}") from error


def first_synset(wordnet: WordNet, word: str) -> tuple[str, int] | None:
    """Part of speech and byte offset of the first synset of a word, as NLTK's `wordnet.synsets(word)[0]`; None without any.

    The word is lower-cased, and taken as a noun, verb, adjective or adverb, in this order. Of each the word itself is
    looked up, then the lemmas of an irregular form, or else what is left when an ending is replaced, once.

    Source:
        Bird et al. 2009, Natural Language Processing with Python; behaviour of NLTK 3.10.4. Older releases replace endings
        repeatedly when nothing was found.
    """
    lower = word.lower()
    for part, first in wordnet.first.items():
        for form in (lower, *_base_forms(wordnet, lower, part)):
            if form in first:
                return part, first[form]
    return None


def _base_forms(wordnet: WordNet, word: str, part: str) -> tuple[str, ...]:
    """Forms of which the word may be an inflection."""
    irregular = wordnet.exceptions[part].get(word)
    if irregular is not None:
        return irregular
    return tuple(word[: -len(old)] + new for old, new in _ENDINGS[part] if word.endswith(old))


@lru_cache(maxsize=1)
def _parsed(*contents: bytes) -> WordNet:
    """A dictionary from the contents of its four indices and four lists of exceptions."""
    texts = [content.decode("utf-8").splitlines() for content in contents]
    first = {part: dict(_first_offset(line) for line in lines if not line.startswith(" ")) for part, lines in _pairs(texts[:4])}
    exceptions = {part: _exceptions(lines) for part, lines in _pairs(texts[4:])}
    return WordNet(first, exceptions)


def _pairs(texts: list[list[str]]) -> list[tuple[str, list[str]]]:
    return list(zip(_PARTS, texts, strict=True))


def _first_offset(line: str) -> tuple[str, int]:
    """Lemma and first offset of `lemma pos synsets pointers ... senses tagged offset ...`."""
    fields = line.split()
    synsets, pointers = int(fields[2]), int(fields[3])
    offsets = fields[6 + pointers :]
    if len(offsets) != synsets or not offsets:
        raise ValueError(f"{len(offsets)} offsets for {synsets} synsets in line {line[:80]!r}")
    return fields[0], int(offsets[0])


def _exceptions(lines: list[str]) -> dict[str, tuple[str, ...]]:
    """Lemmas by irregular form; of a form that is listed twice the later line counts, as in NLTK."""
    fields = [line.split() for line in lines]
    return {words[0]: tuple(words[1:]) for words in fields if words}
