"""Receipts of what was done to a lake: numbered files, each with the digest of the one before, so that none can be changed,
dropped or slipped in unseen. What a receipt says is its writer's business; it must name nothing that was removed.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from curation_assets.errors import ArgumentError, LakeError

FOLDER = "receipts"
NO_PREVIOUS = "0" * 64
_RESERVED = ("number", "previous", "written_at")
_NAME = re.compile(r"([0-9]{6,})\.json")
# A file that a killed writer left: no receipt, and no sign of tampering either.
_UNFINISHED = re.compile(r"\.receipt-[a-z0-9_]+")


@dataclass(frozen=True)
class Receipt:
    """One receipt as it stands in its file.

    Args:
        number: 1, 2, 3 and so on.
        previous: sha256 of the file before, in hex; 64 zeros for the first.
        written_at: UTC, ISO 8601, by the clock of the machine that wrote it.
        body: what it says.
        sha256: of its file, in hex; the next receipt has it, or whoever keeps the chain's end elsewhere.
        path: its file.
    """

    number: int
    previous: str
    written_at: str
    body: Mapping[str, object]
    sha256: str
    path: Path


def write_receipt(root: Path, body: Mapping[str, object]) -> Receipt:
    """Adds a receipt at the end of the chain; it is on the disk whole, or not at all, when this returns.

    Args:
        root: the lake's folder.
        body: plain JSON without the keys `number`, `previous` and `written_at`, and without content of samples.

    Raises:
        ArgumentError: the body is no plain JSON or has one of those keys.
        LakeError: the chain is broken, or another process wrote a receipt at the same time.
    """
    taken = sorted(set(_RESERVED) & set(body))
    if taken:
        raise ArgumentError(f"a receipt's body may not have {taken}: the receipt itself says these; choose other names")
    written = read_receipts(root)
    head = {
        "number": len(written) + 1,
        "previous": written[-1].sha256 if written else NO_PREVIOUS,
        "written_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    content = _canonical({**body, **head})
    path = _path(root, len(written) + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    _place(path, content)
    return _parsed(path, content)


def next_number(root: Path) -> int:
    """The number that the next receipt will have."""
    return max(_numbers(root), default=0) + 1


def read_receipts(root: Path) -> list[Receipt]:
    """All receipts, the first one first.

    Raises:
        LakeError: the chain is broken; the message says everything that is wrong.
    """
    faults = receipt_faults(root)
    if faults:
        raise LakeError(
            f"the receipts in {root / FOLDER} are not what was written: {'; '.join(faults)}; restore the folder from a copy"
        )
    return [_parsed(path, path.read_bytes()) for path in (_path(root, number) for number in sorted(_numbers(root)))]


def receipt_faults(root: Path, expected: Collection[int] = ()) -> list[str]:
    """Everything that shows that receipts were changed, removed or added by hand; empty where nothing was.

    The end of the chain cannot prove itself: that the last receipts are missing is seen from `expected` alone.

    Args:
        root: the lake's folder.
        expected: numbers of receipts that are known from elsewhere.
    """
    numbers = _numbers(root)
    last = max(numbers, default=0)
    faults = [f"unknown file {name!r}" for name in _strangers(root)]
    faults += [f"receipt {number} is missing" for number in sorted({*range(1, last + 1), *expected} - numbers)]
    digest: str | None = NO_PREVIOUS
    for number in range(1, last + 1):
        if number not in numbers:
            digest = None
            continue
        content = _path(root, number).read_bytes()
        try:
            receipt = _parsed(_path(root, number), content)
        except LakeError as error:
            faults.append(str(error))
        else:
            if receipt.number != number:
                faults.append(f"receipt {number} says that it is number {receipt.number}")
            # Where one is missing nothing is known of what it was, and that it is missing has been said.
            if digest is not None and receipt.previous != digest:
                faults.append(_broken_link(number))
        digest = hashlib.sha256(content).hexdigest()
    return faults


def _broken_link(number: int) -> str:
    if number == 1:
        return "receipt 1 follows another one that is not there"
    return f"receipt {number} does not follow receipt {number - 1} as it is now: one of them was edited"


def _folder(root: Path) -> Path:
    return root / FOLDER


def _path(root: Path, number: int) -> Path:
    return _folder(root) / f"{number:06d}.json"


def _names(root: Path) -> list[str]:
    return sorted(os.listdir(_folder(root))) if _folder(root).is_dir() else []


def _numbers(root: Path) -> set[int]:
    found = {int(match[1]) for name in _names(root) if (match := _NAME.fullmatch(name))}
    return {number for number in found if number and _path(root, number).is_file()}


def _strangers(root: Path) -> list[str]:
    """Files that are no receipts by their names."""
    known = {_path(root, number).name for number in _numbers(root)}
    return [name for name in _names(root) if name not in known and not _UNFINISHED.fullmatch(name)]


def _canonical(content: Mapping[str, object]) -> bytes:
    """JSON of which there is one spelling only: sorted keys, no blanks, ASCII, a line end."""
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"a receipt's body must be plain JSON: {error}") from error
    return text.encode() + b"\n"


def _parsed(path: Path, content: bytes) -> Receipt:
    """The receipt in a file's bytes.

    Raises:
        LakeError: they are not what `write_receipt` writes.
    """
    try:
        read = json.loads(content)
    except ValueError as error:
        raise LakeError(f"{path.name} is not JSON") from error
    if not isinstance(read, dict) or _canonical(read) != content:
        raise LakeError(f"{path.name} is not spelled as it was written")
    head = [read.pop(name, None) for name in _RESERVED]
    if not (isinstance(head[0], int) and isinstance(head[1], str) and isinstance(head[2], str)):
        raise LakeError(f"{path.name} lacks one of {', '.join(_RESERVED)}")
    return Receipt(head[0], head[1], head[2], read, hashlib.sha256(content).hexdigest(), path)


def _place(path: Path, content: bytes) -> None:
    """Puts a whole file where none is, so that it survives a loss of power."""
    number, name = tempfile.mkstemp(prefix=".receipt-", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        # A link fails where a rename would overwrite: of two writers at the same time one has to think again.
        os.link(name, path)
    except FileExistsError as error:
        raise LakeError(f"{path} was written by another process just now; nothing was overwritten, try again") from error
    finally:
        os.unlink(name)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
