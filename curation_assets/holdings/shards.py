"""Shards: which files the recipe's pool has, by name, with stamps that change when they do."""

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from glob import glob, has_magic
from pathlib import Path

from curation_assets.algorithms.digest import json_digest
from curation_assets.errors import PoolError
from curation_assets.recipe import Recipe
from curation_assets.recipe_sections import Pool
from resources.datacomp import features_path
from resources.image_folder import folder_files, is_hidden


def shard_files(recipe: Recipe) -> dict[str, Path]:
    """File of every shard, by shard name, in alphabetical order.

    A shard is named after its file: the path below the fixed part of the pattern without the format's ending (`.tar`), with
    `/` as `__` and anything but letters, digits, `_`, `.` and `-` as `_`. In the format `folder` every folder with files in it
    is a shard; the one that the path itself names is the shard `root`.

    Raises:
        PoolError: a path that is no pattern does not exist, two files have the same shard name, or a name is too long.
    """
    patterns = [recipe.file.pool.path] if isinstance(recipe.file.pool.path, str) else recipe.file.pool.path
    found: dict[str, Path] = {}
    for pattern in patterns:
        is_literal = not has_magic(pattern) or (recipe.folder / pattern).exists()
        names = [pattern] if is_literal else glob(pattern, root_dir=recipe.folder, recursive=True)
        if is_literal and not os.path.lexists(recipe.folder / pattern):
            raise PoolError(f"pool.path {pattern!r}: no file {recipe.folder / pattern}; give an existing path or a glob")
        root = recipe.folder / (Path(pattern).parent if is_literal else _fixed_part(pattern))
        paths = [recipe.folder / name for name in sorted(names)]
        if recipe.file.pool.format == "folder":
            root = (paths[0] if is_literal else root).resolve()
            paths = [folder for path in paths for folder in _folders_with_files(path.resolve())]
        for path in paths:
            name = _shard_name(path, root, recipe.file.pool)
            if name in found and found[name] != path:
                raise PoolError(
                    f"pool.path: {found[name]} and {path} would both be shard {name!r}; rename one, or use one pattern "
                    "that begins at their common folder"
                )
            found[name] = path
    return dict(sorted(found.items()))


def shard_stamp(recipe: Recipe, path: Path) -> dict[str, str]:
    """Stamps of all files that a shard is read from; those of a folder are digested into one."""
    if recipe.file.pool.format == "folder" and os.access(path, os.R_OK | os.X_OK):
        stamps = [[os.fsencode(entry.name).hex(), _stamp(Path(entry.path))] for entry in folder_files(path)]
        return {f"file:{stored_path(recipe, path)}": json_digest(stamps)}
    return {**file_stamp(recipe, path), **feature_stamp(recipe, path)}


def feature_stamp(recipe: Recipe, path: Path) -> dict[str, str]:
    """Stamp of the file of features that belongs to a shard; nothing for pools that have none."""
    return file_stamp(recipe, features_path(path)) if recipe.file.pool.format == "datacomp" else {}


def file_stamp(recipe: Recipe, path: Path) -> dict[str, str]:
    """Name of a file as it is stored, and a stamp that changes whenever its bytes, or the right to read them, can have changed.

    A file that is not there any more has a stamp as well, so that only what reads it fails, when it is read.
    """
    return {f"file:{stored_path(recipe, path)}": _stamp(path)}


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
        return f"{status.st_size}:{status.st_mtime_ns}" if os.access(path, os.R_OK) else "unreadable: Permission denied"
    except OSError as error:
        return f"unreadable: {error.strerror}"


def outside_stamps(recipe: Recipe, paths: Iterable[str]) -> dict[str, str]:
    """Stamps of files, and of all files below folders, outside the lake; paths are relative to the recipe's folder."""
    stamps: dict[str, str] = {}
    for path in (recipe.folder / path for path in paths):
        if path.is_dir():
            below = {k: v for file in sorted(path.rglob("*")) if file.is_file() for k, v in file_stamp(recipe, file).items()}
            stamps[f"folder:{stored_path(recipe, path)}"] = json_digest(below)
        else:
            stamps |= file_stamp(recipe, path)
    return stamps


def stored_path(recipe: Recipe, path: Path) -> str:
    """A file as the lake names it: relative to the recipe's folder if it lies below it, so that a project can be moved."""
    return _stored_path(str(path), str(recipe.folder))


@lru_cache(maxsize=100_000)  # asked for every shard whenever anything is planned; links that are moved later are not followed
def _stored_path(path: str, folder: str) -> str:
    resolved = Path(path).resolve()
    try:
        return resolved.relative_to(Path(folder).resolve()).as_posix()
    except ValueError:
        return str(resolved)


def _folders_with_files(path: Path) -> list[Path]:
    """A folder and those below it, without following links, that have anything in them but folders."""
    return sorted(
        Path(folder)
        for folder, inner, files in os.walk(path)
        if not all(map(is_hidden, files)) or any(os.path.islink(os.path.join(folder, name)) for name in inner)
    )


def _fixed_part(pattern: str) -> Path:
    parts = Path(pattern).parts
    return Path(*parts[: next(i for i, part in enumerate(parts) if has_magic(part))])


def _shard_name(path: Path, root: Path, pool: Pool) -> str:
    ending = {"datacomp": ".parquet", "parquet": ".parquet", "folder": ""}.get(pool.format, ".tar")
    relative = "root" if path == root else os.path.relpath(path, root).removesuffix(ending).replace(os.sep, "__")
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", relative)
    if not name or len(name) > 200:
        raise PoolError(f"shard file {path}: its name gives a partition of {len(name)} characters; allowed: 1 to 200")
    return name
