"""Captions that name a listed synset, against the rule of the text-based filter written out."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from curation_assets.algorithms.wordnet import first_synset as lookup
from curation_assets.algorithms.wordnet import read_wordnet
from curation_assets.errors import RecipeError
from curation_assets.filters.text_based import text_based
from curation_assets.scores.first_synset import first_synset
from tests.conftest import SHARED
from tests.filters.shorthands import passes
from tests.small_wordnet import write_wordnet

DEBIAN = Path("/usr/share/wordnet")


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    synsets = tmp_path / "synsets.txt"
    synsets.write_text("n00000100\nn00000500\nn00000820\n")
    return {"wordnet": str(write_wordnet(tmp_path / "wordnet")), "synsets": str(synsets)}


def found(settings: dict[str, str], *captions: str) -> list[tuple[int, str]]:
    made = first_synset(np.array(captions, object), **settings)
    return list(zip(made["listed_synset_words"].tolist(), made["first_matching_synset"].tolist(), strict=True))


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a dog", (1, "n00000100")),
        ("Dogs dog DOG", (3, "n00000100")),
        ("a dog, a run", (0, "")),
        ("barking", (1, "v00000500")),  # a verb with the offset of a listed noun
        ("late oak dog", (3, "a00000820")),
        ("hot dog", (1, "n00000100")),
        ("run\u00a0oak", (1, "n00000500")),
        ("", (0, "")),
    ],
)
def test_captions_on_paper(settings: dict[str, str], caption: str, expected: tuple[int, str]):
    assert found(settings, caption) == [expected]


def test_against_the_rule_as_a_loop(settings: dict[str, str]):
    words = ("dog", "dogs,", "men", "late", "barked", "oaks", "ran", "xyz", "hot_dog", "geese")
    rng = np.random.default_rng(0)
    captions = [" ".join(rng.choice(words, rng.integers(0, 6))) for _ in range(200)]
    wordnet, listed = read_wordnet(Path(settings["wordnet"])), [100, 500, 820]
    for caption, (count, first) in zip(captions, found(settings, *captions), strict=True):
        is_kept = False
        for word in caption.split():
            synset = lookup(wordnet, word)
            if synset is not None and synset[1] in listed:
                is_kept = True
                assert first == f"{synset[0]}{synset[1]:08}"
                break
        assert is_kept == (count > 0) == (first != "")
        assert count == sum((lookup(wordnet, word) or ("", 0))[1] in listed for word in caption.split())


def test_the_list_inside_timm_is_that_of_datacomp():
    import curation_assets.scores.first_synset as module

    content = module._imagenet_21k().read_bytes()
    path = SHARED / "vectors" / "datacomp" / "imagenet21k_wordnet_ids.txt"
    if not path.is_file():
        pytest.skip(f"no test vectors at {path}")
    # The file that DataComp downloads and checks by its sha256.
    assert hashlib.sha256(content).hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(module._offsets(module._imagenet_21k())) == 21_843


def test_captions_of_the_real_wordnet():
    if not DEBIAN.is_dir():
        pytest.skip(f"no WordNet at {DEBIAN}; Debian's package is wordnet-base")
    captions = ("a photo of a golden retriever", "dog, cat; bird.", "the of and", "New York Giants", "many dogs")
    kept = [passes(text_based(), row(*pair)) for pair in found({"wordnet": str(DEBIAN)}, *captions)]
    # `photo` and `dogs` name something of ImageNet-21k; with punctuation on it no word does.
    assert kept == [True, False, False, True, True]


def row(count: int, first: str) -> dict[str, str | int]:
    return {"caption_language": "en", "listed_synset_words": count, "first_matching_synset": first}


def test_settings_that_are_missing_or_wrong(settings: dict[str, str], tmp_path: Path):
    with pytest.raises(RecipeError, match=r"score first_synset needs the setting `wordnet`: the dictionary folder of WordNet"):
        first_synset(np.array(["a"], object))
    with pytest.raises(RecipeError, match=r"is no WordNet dictionary: no index.noun"):
        found({**settings, "wordnet": str(tmp_path)}, "a")
    wrong = tmp_path / "names.txt"
    wrong.write_text("n00000100\ndog\n")
    with pytest.raises(RecipeError, match=r"names.txt is no list of WordNet ids.*\['dog'\]"):
        found({**settings, "synsets": str(wrong)}, "a")
