"""From words to synsets: a small dictionary on paper, a second implementation over it, and the real WordNet."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.algorithms.wordnet import first_synset, read_wordnet
from curation_assets.errors import RecipeError
from tests.small_wordnet import EXCEPTIONS, INDEX, write_wordnet

DEBIAN = Path("/usr/share/wordnet")

# WordNet's manual page morphy(7WN), table of detachment rules.
RULES = {
    "noun": "s:|ses:s|ves:f|xes:x|zes:z|ches:ch|shes:sh|men:man|ies:y",
    "verb": "s:|ies:y|es:e|es:|ed:e|ed:|ing:e|ing:",
    "adj": "er:|est:|er:e|est:e",
    "adv": "",
}


def oracle(word: str) -> tuple[str, int] | None:
    """All synsets of all forms in order, as a list whose first one is taken."""
    word, found = word.lower(), []
    for part, letter in (("noun", "n"), ("verb", "v"), ("adj", "a"), ("adv", "r")):
        if word in EXCEPTIONS[part]:
            forms = [word, *EXCEPTIONS[part][word]]
        else:
            rules = [rule.split(":") for rule in RULES[part].split("|") if rule]
            forms = [word] + [word[: len(word) - len(old)] + new for old, new in rules if word[-len(old) :] == old]
        found += [(letter, offset) for form in forms for offset in INDEX[part].get(form, ())]
    return found[0] if found else None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wordnet(tmp_path_factory.mktemp("wordnet"))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("dog", ("n", 100)),
        ("DOGS", ("n", 100)),
        ("dog,", None),
        ("ran", ("v", 310)),
        ("running", None),  # no rule takes a doubled letter back, and `runn` is no lemma
        ("barking", ("v", 500)),
        ("singing", ("v", 330)),  # singe comes before sing
        ("glasses", ("n", 400)),
        ("geese", ("n", 100)),  # the first lemma that is in the dictionary
        ("men", ("n", 200)),
        ("womens", None),
        ("red", ("a", 800)),  # the word itself before its irregular lemma
        ("later", ("a", 820)),
        ("late", ("a", 820)),
        ("best", ("r", 900)),
        ("hot_dog", ("n", 600)),
        ("", None),
        ("s", ("n", 700)),
        ("dogss", None),  # endings are replaced once
    ],
)
def test_words_on_paper(folder: Path, word: str, expected: tuple[str, int] | None):
    assert first_synset(read_wordnet(folder), word) == oracle(word) == expected


_WORDS = sorted({word for table in (INDEX, EXCEPTIONS) for words in table.values() for word in words})
_ENDS = ("", "s", "es", "ses", "ies", "ed", "ing", "er", "est", "men", "ves", "xes", "'s", "S")


@given(
    st.builds(
        lambda word, cut, end: word[: len(word) - cut] + end, st.sampled_from(_WORDS), st.integers(0, 2), st.sampled_from(_ENDS)
    )
)
def test_inflected_words(folder: Path, word: str):
    assert first_synset(read_wordnet(folder), word) == oracle(word)


def test_an_edited_dictionary_is_read_again(tmp_path: Path):
    folder = write_wordnet(tmp_path)
    assert first_synset(read_wordnet(folder), "cat") is None
    with (folder / "index.noun").open("a") as file:
        file.write("cat n 1 0 1 0 00000042  \n")
    assert first_synset(read_wordnet(folder), "cat") == ("n", 42)


def test_folders_that_are_no_dictionary(tmp_path: Path):
    folder = write_wordnet(tmp_path)
    (folder / "index.adv").write_text("well r 2 0 1 0 00000900\n")
    with pytest.raises(RecipeError, match=r"no WordNet 3.0 dictionary: 1 offsets for 2 synsets in line 'well r"):
        read_wordnet(folder)
    (folder / "index.adv").write_text("well r\n")
    with pytest.raises(RecipeError, match=r"no WordNet 3.0 dictionary"):
        read_wordnet(folder)
    (folder / "verb.exc").unlink()
    (folder / "index.adj").unlink()
    with pytest.raises(RecipeError, match=r"no WordNet dictionary: no index.adj, verb.exc; Debian has it as wordnet-base"):
        read_wordnet(folder)


def test_words_of_the_real_wordnet():
    """Numbers of NLTK 3.10.4 over WordNet 3.0's files; `dog` is ImageNet's n02084071."""
    if not DEBIAN.is_dir():
        pytest.skip(f"no WordNet at {DEBIAN}; Debian's package is wordnet-base")
    wordnet = read_wordnet(DEBIAN)
    assert {part: len(lemmas) for part, lemmas in wordnet.first.items()} == {"n": 117798, "v": 11529, "a": 21479, "r": 4481}
    # Nouns and adverbs only: Debian's verbs and adjectives have other offsets than Princeton's.
    expected = {"dog": ("n", 2084071), "Dogs": ("n", 2084071), "geese": ("n", 1855672), "axes": ("n", 2764044)}
    expected |= {"better": ("n", 5143558), "quickly": ("r", 85811), "the": None, "dog,": None}
    assert {word: first_synset(wordnet, word) for word in expected} == expected
    assert [first_synset(wordnet, word)[0] for word in ("ran", "bigger")] == ["v", "a"]
