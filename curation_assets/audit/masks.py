"""What a lake keeps of samples that may not return: salted digests, and perceptual hashes under a pad.

The salt lies in the lake beside them, so this hides values from whoever reads tables or logs, not from whoever can try values.
"""

import hashlib
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from curation_assets.errors import LakeError

SALT_BYTES = 32
FOLDER = "_takedowns"


@dataclass(frozen=True)
class Masks:
    """Digests and pads of one salt."""

    salt: bytes

    def digest(self, kind: str, value: str) -> bytes:
        """32 bytes that stand for a value of a kind."""
        return hashlib.sha256(self.salt + f"{kind}\0{value}".encode()).digest()

    def masked(self, words: np.ndarray) -> np.ndarray:
        """Words of hashes, int64 of shape (n, up to 10), with the pad on them, or without if they had it.

        The same bits are flipped in every row, so the number of bits in which two rows differ stays what it is.
        """
        return words ^ self._pad[: words.shape[1]]

    @cached_property
    def _pad(self) -> np.ndarray:
        pad = hashlib.shake_256(self.salt + b"\0perceptual hash").digest(80)
        return np.frombuffer(pad, "<i8").astype(np.int64)


def read_masks(root: str, *, may_make: bool = False) -> Masks:
    """The masks of a local lake.

    Args:
        root: of the lake.
        may_make: whether a salt is drawn if there is none.

    Raises:
        LakeError: there is no salt although there should be, or it is damaged.
    """
    path = Path(root) / FOLDER / "salt"
    if may_make and not path.exists():
        _draw(path)
    try:
        salt = path.read_bytes()
    except OSError as error:
        raise LakeError(
            f"the lake {root} refuses samples by salted digests, but {path} cannot be read: {error.strerror or error}; "
            "bring the file back from a copy of the lake, or what was taken down could come in again"
        ) from error
    if len(salt) != SALT_BYTES:
        raise LakeError(f"{path} has {len(salt)} bytes instead of {SALT_BYTES}; bring it back from a copy of the lake")
    return Masks(salt)


def _draw(path: Path) -> None:
    """Write a new salt, whole or not at all; if somebody else just did, theirs stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".salt.{os.getpid()}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secrets.token_bytes(SALT_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
