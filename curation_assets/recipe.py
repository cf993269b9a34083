"""The recipe: one YAML file that says what is curated and how. Read, checked, and turned into trees of filters.

All faults are reported at once, each with its key path, the value found and what is allowed there.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .errors import RecipeError, SchemaError
from .instances import Instances
from .keep import AllOf, Keep
from .recipe_faults import section_faults
from .recipe_keep import KeepReader, fault_line
from .recipe_sections import SECTIONS, Clusters, Encoder, RecipeFile, Subset

DEFAULT_RECIPE = "curation.yaml"
RECIPE_VARIABLE = "CURATION_RECIPE"


class _UniqueKeys(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error; plain YAML silently keeps the last of two subsets of one name."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        counts = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise yaml.constructor.ConstructorError(problem=f"found keys given twice: {twice}", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class SubsetPlan:
    """A subset with its filters read: `source` is None for the whole pool."""

    name: str
    source: str | None
    keep: Keep
    kept_fraction: tuple[float, float]


@dataclass(frozen=True)
class Recipe:
    """A recipe without faults. Paths in it are relative to `folder`."""

    path: Path
    file: RecipeFile
    subsets: tuple[SubsetPlan, ...]

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def lake(self) -> str:
        """Root of the lake: an absolute folder, or a URL as given."""
        return self.file.lake if "://" in self.file.lake else str((self.folder / self.file.lake).resolve())

    @property
    def encoders(self) -> dict[str, Encoder]:
        """All encoders by label; the recipe's own has none."""
        return {"": self.file.encoder, **self.file.encoders}

    @property
    def clusterings(self) -> dict[str, Clusters]:
        """All clusterings by label; the recipe's own has none."""
        return {"": self.file.clusters, **self.file.clusterings}

    def checkpoint(self, label: str = "") -> Path | None:
        """An encoder's checkpoint, if the recipe names a file and not a tag."""
        pretrained = self.encoders[label].pretrained
        if pretrained is None or not (self.folder / pretrained).is_file():
            return None
        return (self.folder / pretrained).resolve()


def recipe_path() -> Path:
    """The recipe in effect: the environment's CURATION_RECIPE, else curation.yaml in the working directory."""
    return Path(os.environ.get(RECIPE_VARIABLE, DEFAULT_RECIPE)).resolve()


def load_recipe(path: Path | None = None) -> Recipe:
    """Read and check a recipe.

    Raises:
        RecipeError: the file cannot be read, or has faults; the message lists all of them.
    """
    path = (path or recipe_path()).resolve()
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: not UTF-8, or such as 2024-13-45
        raise RecipeError(
            f"cannot read the recipe {path}: {error}. Give one with --recipe, or set {RECIPE_VARIABLE}"
        ) from error
    return check_recipe(content, path)


def check_recipe(content: object, path: Path) -> Recipe:
    """Check a parsed recipe; `path` is where it came from and what its paths are relative to.

    Raises:
        RecipeError: lists all faults.
    """
    if not isinstance(content, dict):
        raise RecipeError(f"recipe {path}: expected keys such as pool and subsets, found {type(content).__name__}")
    faults: list[str] = []
    file: RecipeFile | None = None
    try:
        file = RecipeFile.model_validate(content)
    except ValidationError as error:
        faults += [fault_line(e["loc"], _explained(e), e["input"]) for e in error.errors()]
    subsets = _read_subsets(file.subsets if file else _well_formed(content), recipe_instances(file), faults)
    if file:
        faults += _cross_faults(file, subsets)
    elif subsets:
        faults += _unknown_sources(subsets, content["subsets"])
    if faults or file is None:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise RecipeError(f"recipe {path} has {len(faults)} fault{'s' * (len(faults) != 1)}:\n{listed}")
    return Recipe(path, file, tuple(_ordered(subsets)))


def _explained(error: ErrorDetails) -> str:
    """What is wrong, and for an unknown key which keys are known there."""
    if error["type"] != "extra_forbidden":
        return error["msg"]
    section = RecipeFile if len(error["loc"]) == 1 else SECTIONS[str(error["loc"][0])]
    return f"unknown key; known: {', '.join(field.alias or name for name, field in section.model_fields.items())}"


def _well_formed(content: dict[str, object]) -> dict[str, Subset]:
    """Those subsets of a faulty file whose own section is right, so that their filters are checked all the same."""
    sections = content.get("subsets")
    good = {}
    for name, section in sections.items() if isinstance(sections, dict) else ():
        try:
            good[str(name)] = Subset.model_validate(section)
        except ValidationError:
            continue
    return good


def recipe_instances(file: RecipeFile | None) -> Instances:
    """The scores that a recipe's sections describe; those of the default settings if there is none."""
    return Instances({}) if file is None else Instances(file.scores, file.targets, file.encoders, file.clusterings)


def _read_subsets(sections: Mapping[str, Subset], instances: Instances, faults: list[str]) -> list[SubsetPlan]:
    try:
        instances.required()
    except SchemaError as error:
        faults.append(f"scores: {error}")
        return []
    reader = KeepReader(instances, faults)
    plans = []
    for name, section in sections.items():
        keep = reader.read_conjunction(section.keep, ("subsets", name, "keep"))
        plans.append(SubsetPlan(name, section.source, AllOf(tuple(keep)), section.kept_fraction))
    return plans


def _cross_faults(file: RecipeFile, subsets: list[SubsetPlan]) -> list[str]:
    """Faults between sections: sources that do not exist or go in a circle, and those of `recipe_faults`."""
    names = {subset.name for subset in subsets}
    faults = _unknown_sources(subsets, names)
    in_order = {subset.name for subset in _ordered(subsets)}
    faults += [
        fault_line(("subsets", s.name, "from"), "subsets narrow each other in a circle", s.source)
        for s in subsets
        if s.source in names and s.name not in in_order
    ]
    low_high = [(s.name, s.kept_fraction) for s in subsets if not 0 <= s.kept_fraction[0] <= s.kept_fraction[1] <= 1]
    faults += [fault_line(("subsets", n, "kept_fraction"), "expected 0 <= smallest <= largest <= 1", v) for n, v in low_high]
    faults += section_faults(file, names)
    return faults


def _unknown_sources(subsets: list[SubsetPlan], names: Iterable[object]) -> list[str]:
    known = {str(name) for name in names}
    return [
        fault_line(("subsets", s.name, "from"), f"unknown subset; known: {', '.join(sorted(known))}", s.source)
        for s in subsets
        if s.source is not None and s.source not in known
    ]


def _ordered(subsets: list[SubsetPlan]) -> list[SubsetPlan]:
    """Subsets after their sources; those in a circle or with an unknown source are left out."""
    ordered: list[SubsetPlan] = []
    placed: set[str | None] = {None}
    while fresh := [s for s in subsets if s.name not in placed and s.source in placed]:
        ordered += fresh
        placed |= {s.name for s in fresh}
    return ordered
