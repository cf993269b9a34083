"""Removals under audit: their receipts are all there, and nothing is left half done."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.identity import uid_hex
from curation_assets.errors import LakeError
from resources.delta import Lake
from resources.stored_files import damage, open_stored, read_stored

from .invariants import AuditFinding, Spot
from .lake_tables import Matcher
from .near_pictures import WORDS
from .receipts import FOLDER as RECEIPTS
from .receipts import receipt_faults
from .removed_rows import PATTERN
from .tombstones import Samples, Tombstones, read_tombstones
from .versions import FOLDER

_TAKEDOWNS, _STONES = "_takedowns", "takedowns"


def taken_down(lake: Lake) -> tuple[Matcher | None, list[AuditFinding]]:
    """What finds rows that a lake refuses by uid, image bytes, URL or domain; None if it refuses nothing, or cannot tell."""
    try:
        with damage("it cannot be told what was taken down"):
            stones = read_tombstones(lake)
    except LakeError as error:
        return None, [Spot(_STONES).breach("takedown", "digest", "what was taken down", error)]
    return (None if stones is None else partial(_refused_rows, stones)), []


def _refused_rows(stones: Tombstones, rows: pa.Table) -> list[int]:
    """Positions of rows of raw_pool or members that are refused."""
    uids = uid_hex(rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy())
    sha256 = [None if digest is None else digest.hex() for digest in rows["image_sha256"].to_pylist()]
    nothing = np.zeros((len(rows), WORDS), np.int64), np.zeros(len(rows), bool)
    tickets = stones.refusals(Samples(uids, sha256, rows["url"].to_pylist(), *nothing))
    return [at for at, ticket in enumerate(tickets) if ticket is not None]


def receipt_findings(root: Path) -> Iterator[AuditFinding]:
    """Receipts that were changed, removed or slipped in, the newest as well if anything else names it."""
    named: set[int] = set()
    for spot, place, numbers in _named_receipts(root):
        if isinstance(numbers, str):
            yield spot.breach("receipts", place, "the numbers of its receipts", numbers)
        else:
            named |= numbers
    for fault in receipt_faults(root, sorted(named)):
        yield Spot(RECEIPTS).breach("receipts", "", "the chain of receipts as it was written", fault)


def unfinished_findings(root: Path, versions: list[Path]) -> Iterator[AuditFinding]:
    """What interrupted commands left."""
    if (root / _TAKEDOWNS / "pending.json").exists():
        found = "an unfinished takedown; run curate takedown again"
        yield Spot(_TAKEDOWNS).breach("unfinished", "pending.json", "no takedown under way", found)
    for folder in sorted(root.glob(f"{FOLDER}/*/*")):
        if folder.is_dir() and folder not in versions:
            place = folder.relative_to(root).as_posix()
            yield Spot(place).warning("unfinished", "", "published versions alone", "the rest of a publication that was killed")


def _named_receipts(root: Path) -> Iterator[tuple[Spot, str, set[int] | str]]:
    """Numbers of receipts by where they are named, or why they cannot be read there."""
    if (root / _STONES).is_dir():
        try:
            table = open_stored(str(root / _STONES))
            rows = read_stored(table, [file.path for file in table.files], ["receipt"])
            yield Spot(_STONES), "receipt", {int(number) for number in rows["receipt"].drop_null().to_pylist()}
        except (LakeError, KeyError, ValueError, TypeError) as error:
            yield Spot(_STONES), "receipt", f"{type(error).__name__}: {error}"
    for path in sorted(root.glob(f"{FOLDER}/*/v*/{PATTERN}")):
        spot = Spot(path.parent.relative_to(root).as_posix())
        try:
            digits = re.search(r"[0-9]+", str(json.loads(path.read_bytes())["receipt"]))
            yield spot, path.name, {int(digits[0])} if digits else "no number"
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            yield spot, path.name, f"{type(error).__name__}: {error}"
