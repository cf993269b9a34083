"""The journal of a takedown that is under way: all that is needed to finish it, written before anything is removed.

It names what is being removed in plain, so only its owner may read it, and it is deleted at the end.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from curation_assets.errors import LakeError

from .masks import FOLDER
from .matching import Wanted

_FORM = 2


@dataclass
class Journal:
    """Everything of a request and of what it removes, as plain JSON values.

    Args:
        ticket: of the request.
        reason: of the request.
        radius: of near twins, -1 for none.
        receipt: number that its receipt will get.
        values: by kind (uid, sha256, url, domain), the plain values that are refused from now on.
        pictures: words of perceptual hashes that are refused from now on.
        captions: texts that only removed rows have.
        urls: URLs that only removed rows have, as they are written.
        counts: rows of raw_pool that go by why, and what could not be searched.
        losses: name, partitions, rows and pointers that each table or exported file loses, and its digest before.
        places: file, offset and length in bytes of removed images outside the lake.
        redactions: by published version, positions and leaves of its removed members.
    """

    ticket: str
    reason: str
    radius: int
    receipt: int
    values: dict[str, list[str]]
    pictures: list[list[int]]
    captions: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    losses: list[tuple[str, int, int, int, str]] = field(default_factory=list)
    places: list[tuple[str, int, int]] = field(default_factory=list)
    redactions: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    @property
    def wanted(self) -> Wanted:
        """What is looked for."""
        return Wanted(*(set(self.values[kind]) for kind in ("uid", "sha256", "url", "domain")))

    @property
    def words(self) -> list[np.ndarray]:
        """Words of the refused pictures, by how many of each are known."""
        lengths = sorted({len(words) for words in self.pictures})
        return [np.array([words for words in self.pictures if len(words) == length], np.int64) for length in lengths]


def journal_path(root: str) -> Path:
    """Where the journal of a local lake is."""
    return Path(root) / FOLDER / "pending.json"


def read_journal(root: str) -> Journal | None:
    """The takedown that was interrupted; None if none was.

    Raises:
        LakeError: the journal is damaged.
    """
    path = journal_path(root)
    try:
        content = json.loads(path.read_bytes())
        if content.pop("form") != _FORM:
            raise LakeError(f"{path} was written by another version of this program; finish that takedown with it")
        return Journal(**content)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LakeError(
            f"{path} is damaged ({error}), so the takedown that it belongs to cannot be finished; move it "
            "away and ask for that takedown again"
        ) from error


def write_journal(root: str, journal: Journal) -> None:
    """Replace the journal, whole or not at all, and only return when it is on the disk."""
    path = journal_path(root)
    write_durably(path, json.dumps({"form": _FORM, **asdict(journal)}).encode(), mode=0o600)


def delete_journal(root: str) -> None:
    """The takedown is finished."""
    journal_path(root).unlink(missing_ok=True)
    _sync_folder(journal_path(root).parent)


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file, whole or not at all, and only return when it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)


def plain_words(pictures: Sequence[np.ndarray]) -> list[list[int]]:
    """Words of pictures as they are kept in a journal."""
    return [[int(word) for word in words] for part in pictures for words in part]


def as_json(value: Mapping[str, object]) -> bytes:
    """Plain JSON values as a file for people."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
