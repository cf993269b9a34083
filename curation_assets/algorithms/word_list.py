"""Files of words, names or addresses that a recipe points to."""

import json
from functools import lru_cache
from pathlib import Path

from curation_assets.errors import RecipeError


def required_path(value: str | None, *, score: str, setting: str, meaning: str) -> Path:
    """The path that a setting gives.

    Raises:
        RecipeError: the setting is not given, or there is nothing at that path.
    """
    if value is None:
        raise RecipeError(f"score {score} needs the setting `{setting}`: {meaning}; set scores.{score}.NAME.{setting}")
    path = Path(value)
    if not path.exists():
        raise RecipeError(f"score {score}: setting `{setting}` is {value}, where there is no file or folder; it is {meaning}")
    return path


def read_word_list(path: Path) -> tuple[str, ...]:
    """Entries of a file in its order: a JSON list of strings (`.json`), or text with one entry per line.

    Lines lose white space at their ends, and empty ones do not count; strings of JSON stay as they are.

    Raises:
        RecipeError: the file is no UTF-8, no list of strings, or has no entry.
    """
    try:
        entries = _parsed(path.read_bytes(), path.suffix == ".json")
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path} is no list of words, as JSON list of strings or one per line in UTF-8: {error}") from error
    if not entries:
        raise RecipeError(f"{path} has no entries; expected a JSON list of strings, or one entry per line")
    return entries


@lru_cache(maxsize=64)
def _parsed(content: bytes, is_json: bool) -> tuple[str, ...]:
    """Entries of a file's content; by content, so that an edited file is read again."""
    text = content.decode("utf-8-sig")
    if not is_json:
        return tuple(line.strip() for line in text.split("\n") if line.strip())
    entries = json.loads(text)
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise ValueError(f"found {type(entries).__name__}, or entries that are no strings")
    return tuple(entries)
