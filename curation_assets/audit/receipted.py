"""What receipts say of a published version: the digests that its tables had when the last takedown was done with them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from curation_assets.errors import LakeError

from .receipts import read_receipts
from .versions import FOLDER, Version


@dataclass(frozen=True)
class Receipted:
    """Digests of the data versions of a version's tables, by name, and the number of the lake's last receipt."""

    digests: Mapping[str, str]
    last: int

    def knows(self, takedowns: Iterable[object]) -> bool:
        """Whether these takedowns, by the numbers of their receipts, have one: what is interrupted has none yet."""
        return all(number <= self.last for number in takedowns if isinstance(number, int))


def receipted(root: Path, version: Version) -> Receipted:
    """What the receipts of a lake say of a version.

    Raises:
        LakeError: the chain of receipts is broken, or one of them does not say what it should.
    """
    receipts, folder = read_receipts(root), f"{FOLDER}/{version.dataset}/v{version.number}/"
    found: dict[str, str] = {}
    for receipt in receipts:
        try:
            found |= {str(table["name"]): str(table["after"]) for table in receipt.body.get("tables", ())}
        except (KeyError, TypeError) as error:
            raise LakeError(
                f"{receipt.path} does not say what each of its tables was afterwards; restore it from a copy"
            ) from error
    return Receipted(
        {name.removeprefix(folder): after for name, after in found.items() if name.startswith(folder)}, len(receipts)
    )
