"""Published dataset versions: where they lie, how they are named, and how one is opened like a lake.

A version is a small lake of its own, `published/<dataset>/v<number>`, with the tables that its subset was made from as they
were, the table `members`, and `manifest.json`. It shares files with the live tables and never changes with them.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curation_assets.errors import ArgumentError, LakeError
from curation_assets.graph import build_graph
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State
from curation_assets.recipe import check_recipe
from curation_assets.tables import Key
from resources.delta import Lake

MANIFEST, MEMBERS, FOLDER = "manifest.json", "members", "published"
# Without these a manifest cannot be spoken of; verify and audit look at all of it.
_FIELDS = {"published_at", "rows", "recipe"}
_POOL: Key = ("raw_pool",)


@dataclass(frozen=True)
class Version:
    """One published version of a dataset: `train_v1@2`."""

    dataset: str
    number: int
    folder: Path
    manifest: Mapping[str, object]

    @property
    def name(self) -> str:
        return f"{self.dataset}@{self.number}"


def parse_reference(text: str) -> tuple[str, int | None]:
    """Subset or dataset, and the number of its version; None is the live subset.

    Raises:
        ArgumentError: what follows the @ is no number.

    Example:
        >>> parse_reference("train@2"), parse_reference("train@v2"), parse_reference("train")
        (('train', 2), ('train', 2), ('train', None))
    """
    name, at, number = text.partition("@")
    if not at:
        return name, None
    if not re.fullmatch(r"v?[1-9][0-9]{0,8}", number, re.ASCII):
        raise ArgumentError(f"{text!r}: expected a version's number after @, such as {name}@1")
    return name, int(number.removeprefix("v"))


def require_subset(project: Project, name: str) -> None:
    """Raises unless the recipe has a subset of that name.

    Raises:
        ArgumentError: lists the known ones.
    """
    names = [plan.name for plan in project.recipe.subsets]
    if name not in names:
        raise ArgumentError(f"no subset {name!r} in {project.recipe.path}; known: {', '.join(names)}")


def dataset_folder(project: Project, dataset: str) -> Path:
    """Where the versions of a dataset lie.

    Raises:
        LakeError: the lake is not on a local disk.
    """
    return _root(project) / FOLDER / dataset


def versions(project: Project, dataset: str = "*") -> list[Version]:
    """All published versions, or those of a dataset, by dataset and number; none for a lake that is not on a local disk.

    Raises:
        LakeError: a manifest cannot be read.
    """
    if not project.lake.is_local:
        return []
    folders = _root(project).glob(f"{FOLDER}/{dataset}/v*")
    found = [_version(folder) for folder in folders if re.fullmatch(r"v[1-9][0-9]*", folder.name)]
    return sorted(found, key=lambda version: (version.dataset, version.number))


def find_version(project: Project, dataset: str, number: int) -> Version:
    """A published version.

    Raises:
        ArgumentError: there is none of that name; lists the known ones.
    """
    folder = dataset_folder(project, dataset) / f"v{number}"
    if re.fullmatch(r"[A-Za-z0-9_.-]+", dataset) and (folder / MANIFEST).is_file():
        return _version(folder)
    known = ", ".join(version.name for version in versions(project)) or "none; curate publish makes one"
    raise ArgumentError(f"no published version {dataset}@{number}; known: {known}")


def open_version(project: Project, version: Version) -> Project:
    """A published version as a project of its own: the recipe of then over the tables of then.

    Raises:
        RecipeError: the recipe of then cannot be read by the present code.
    """
    content = {**_recipe_of(version), "lake": str(version.folder)}
    recipe = check_recipe(content, project.recipe.path)
    return Project(recipe, build_graph(recipe), Lake(root=str(version.folder)))


def stored_state(project: Project) -> State:
    """What a lake holds, whatever the pool's files are now: of a published version, or to ask about stored rows alone."""
    snapshots = {key: project.lake.snapshot(node.name) for key, node in project.graph.items()}
    pool = snapshots[_POOL]
    shards = sorted(shard for shard in ({} if pool is None else pool.records) if shard is not None)
    return State(project, {}, shards, snapshots)


def uid_leaves(uid_hi: np.ndarray, uid_lo: np.ndarray) -> list[bytes]:
    """A digest of 16 bytes of each uid: what remains of a removed one, so that a version's uids can still be proved."""
    halves = np.stack([np.asarray(uid_hi, np.int64), np.asarray(uid_lo, np.int64)], axis=1)
    text = halves.view(np.uint64).astype(">u8").tobytes()
    return [hashlib.sha256(text[at : at + 16]).digest()[:16] for at in range(0, len(text), 16)]


def leaves_digest(leaves: list[bytes]) -> str:
    """Digest of the uids of a version, from their leaves in ascending uid; 64 hex digits."""
    return hashlib.sha256(b"".join(leaves)).hexdigest()


def _root(project: Project) -> Path:
    if not project.lake.is_local:
        raise LakeError(f"published versions need a lake on a local disk; this one is {project.lake.root}")
    return Path(project.lake.root)


def _version(folder: Path) -> Version:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LakeError(f"cannot read {folder / MANIFEST}: {error}; curate audit says what else is wrong") from error
    if not isinstance(manifest, dict) or not manifest.keys() >= _FIELDS:
        raise LakeError(f"{folder / MANIFEST} is no manifest; curate audit says what else is wrong")
    return Version(folder.parent.name, int(folder.name.removeprefix("v")), folder, manifest)


def _recipe_of(version: Version) -> Mapping[str, object]:
    recipe = version.manifest.get("recipe")
    if not isinstance(recipe, dict):
        raise LakeError(f"{version.folder / MANIFEST} has no recipe; curate audit says what else is wrong")
    return recipe
