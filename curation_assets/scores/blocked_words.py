"""Words of a block list in a caption, by the caption's language."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.word_list import read_word_list, required_path
from curation_assets.algorithms.word_matching import WordMatcher, matching_entries, word_matcher
from curation_assets.errors import RecipeError
from curation_assets.spec import Outside, Score
from curation_assets.tables import Column

_WITHOUT_SPACES = {"bo", "ja", "km", "lo", "my", "th", "yue", "zh"}  # languages whose words are not separated by spaces


def blocked_words(
    text: np.ndarray,
    caption_language: np.ndarray,
    *,
    words: Annotated[
        str | None, Outside(), Field(description="folder with a list per language, named by its code (`en` or `en.txt`)")
    ] = None,
    language: Annotated[
        str, Field(description="lists for every caption, such as `en` or `en,es`; default: that of the caption's language")
    ] = "",
) -> dict[str, np.ndarray]:
    """How many entries of a block list the caption holds, and how many lists it was compared with.

    Entries match as whole words, without regard to case and width; in Chinese, Japanese, Thai and other scripts without
    spaces they match anywhere. A word list knows no context: what it finds may be honest in another language (Spanish
    `negro`, Swahili `kike`) or meaning. A caption in a language without a list counts 0 and was compared with 0 lists.

    Args:
        text: str objects, shape (n,).
        caption_language: str objects, shape (n,), ISO 639 codes as in the files' names.
        words: folder with one list per language, each a JSON list or one entry per line.
        language: codes of the lists for every caption, separated by commas; empty is that of the caption's language.

    Returns:
        blocked_words, int32, shape (n,), different entries found; blocked_word_lists, int32, shape (n,).

    Raises:
        RecipeError: `words` is not given or holds no list of a language that `language` names.

    Source:
        Raffel et al. 2020, T5, arXiv:1910.10683, drops pages with a word of LDNOOBW, the List of Dirty, Naughty, Obscene or
        Otherwise Bad Words, which has this form of a file per language. Counting, and the rule of scripts, are of this
        project.
    """
    path = required_path(words, score="blocked_words", setting="words", meaning="a folder with a list of words per language")
    matchers = _matchers(path)
    fixed = [code.strip() for code in language.split(",") if code.strip()]
    missing = [code for code in fixed if code not in matchers]
    if missing:
        raise RecipeError(f"score blocked_words: no list of {missing} in {path}; lists found: {', '.join(matchers)}")
    used = [[matchers[code] for code in fixed or [own] if code in matchers] for own in caption_language]
    hits = (sum(len(matching_entries(one, caption)) for one in found) for caption, found in zip(text, used, strict=True))
    return {
        "blocked_words": np.fromiter(hits, np.int32, len(text)),
        "blocked_word_lists": np.fromiter(map(len, used), np.int32, len(text)),
    }


def _matchers(folder: Path) -> dict[str, WordMatcher]:
    """A matcher per file of the folder, by its name without extension; hidden files and documents are passed over."""
    if not folder.is_dir():
        raise RecipeError(f"score blocked_words: {folder} is no folder; expected one list per language, such as en.txt")
    files = [p for p in sorted(folder.iterdir()) if p.is_file() and p.suffix in ("", ".txt", ".json")]
    lists = {p.stem: p for p in files if not p.name.startswith(".") and p.stem.islower()}
    if not lists:
        raise RecipeError(f"score blocked_words: {folder} holds no lists; expected one per language, such as en.txt")
    return {code: word_matcher(read_word_list(p), is_spaced=code not in _WITHOUT_SPACES) for code, p in lists.items()}


SCORE = Score(
    compute=blocked_words,
    columns=(
        Column("blocked_words", pa.int32(), "entries of the block list in the caption", bounds=(0, None)),
        Column("blocked_word_lists", pa.int32(), "lists that it was compared with", bounds=(0, None)),
    ),
    source="T5, arXiv:1910.10683; LDNOOBW",
    version="1",
    keep="low",
    is_on_demand=True,
)
