"""Digests of a version's files in the form of `sha256sum`, so that a version can be checked without this project."""

import hashlib
from pathlib import Path

from curation_assets.errors import LakeError

SUMS = "SHA256SUMS"


def write_sums(folder: Path) -> str:
    """Write the digests of all files below a folder into its file SHA256SUMS.

    Returns:
        sha256 of that file; 64 hex digits.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != "_locks")
    text = "".join(f"{file_sum(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    (folder / SUMS).write_text(text, encoding="utf-8")
    return file_sum(folder / SUMS)


def read_sums(folder: Path) -> dict[str, str]:
    """Recorded digest of each file of a version, by its path below the version's folder.

    Raises:
        LakeError: SHA256SUMS cannot be read.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise LakeError(f"cannot read {folder / SUMS}: {error}") from error
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def file_sum(path: Path) -> str:
    """sha256 of a file's bytes; 64 hex digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
