"""The recipe: one YAML file that says what is curated and how. Read, checked, and turned into trees of filters.

All faults are reported at once, each with its key path, the value found and what is allowed there.
"""

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model, field_validator

from .errors import RecipeError, SchemaError
from .filters import all_filters
from .filters.threshold import threshold_filter
from .scores import all_scores
from .spec import AllOf, AnyOf, Filter, Keep, Leaf, Not

DEFAULT_RECIPE = "curation.yaml"
RECIPE_VARIABLE = "CURATION_RECIPE"
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


class Section(BaseModel):
    """What all sections share: unknown keys are faults, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Pool(Section):
    """Where the raw samples are."""

    format: Literal["webdataset", "img2dataset"] = Field("webdataset", description="form of the shards")
    path: str | list[str] = Field(description="tar files: paths or globs, relative to the recipe's folder")
    max_image_pixels: int = Field(89_478_485, ge=1, description="larger images are rejected by their header, px")
    verify: Literal["structure", "decode"] = Field(
        "structure", description="how truncation is found: by the file's structure, or by decoding every image"
    )


class Encoder(Section):
    """The model that makes embeddings."""

    model: str | None = Field(None, description="OpenCLIP model name")
    pretrained: str | None = Field(None, description="OpenCLIP tag, or a local checkpoint file")
    train: Literal["filter_network"] | None = Field(None, description="use the network trained here instead")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto is cuda if there is one, else cpu")
    precision: Literal["fp32", "fp16", "bf16"] = Field("fp32", description="arithmetic of the towers")
    batch_size: int = Field(64, ge=1, description="samples per forward pass; halved when memory runs out")
    decode_workers: int = Field(2, ge=0, description="processes that read and decode images; 0 decodes in the step itself")


class FilterNetwork(Section):
    """Training of the small CLIP after Data Filtering Networks."""

    train_on: Name = Field(description="subset that it learns from; must not need embeddings itself")
    max_pairs: int = Field(100_000, ge=32, description="pairs at most, drawn by keyed hash of the uid")
    image_size_px: int = Field(64, ge=16, description="side of the square that pictures are brought to")
    patch_size_px: int = Field(16, ge=2, description="side of a patch; divides image_size_px")
    width: int = Field(128, ge=8, description="channels of both towers")
    image_layers: int = Field(4, ge=1, description="transformer blocks of the image tower")
    text_layers: int = Field(2, ge=1, description="transformer blocks of the text tower")
    heads: int = Field(4, ge=1, description="attention heads of both towers; divides width")
    embed_dim: int = Field(128, ge=8, description="length of a vector")
    context_length: int = Field(48, ge=4, description="tokens of a caption that are read")
    epochs: int = Field(8, ge=1, description="passes over the training pairs")
    batch_size: int = Field(128, ge=2, description="pairs that are contrasted in a step")
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False, description="peak of the cosine schedule")
    holdout_fraction: float = Field(0.1, ge=0, lt=1, description="share of the pairs held out to measure the AUC")
    seed: int = Field(0, ge=0, description="of weights, order, alterations and what is held out")
    threads: int = Field(2, ge=1, description="CPU threads; another number can change the last bits of the weights")


class Clusters(Section):
    """Spherical k-means over image embeddings."""

    k: int | Literal["auto"] = Field("auto", description="clusters; auto is the square root of the number of samples")
    iterations: int = Field(20, ge=1, description="Lloyd iterations")
    seed: int = Field(0, ge=0, description="of the initial centroids and of the training sample")
    samples_per_centroid: int = Field(256, ge=39, description="training samples per centroid at most")

    @field_validator("k")
    @classmethod
    def _positive(cls, k: int | str) -> int | str:
        if isinstance(k, int) and k < 1:
            raise ValueError("allowed: auto, or a whole number from 1")
        return k


class Subset(Section):
    """One named set of decisions."""

    source: Name | None = Field(None, alias="from", description="subset that it narrows; none is the whole pool")
    keep: list[object] = Field(min_length=1, description="filters that must all pass, in the order in which they explain")
    kept_fraction: tuple[float, float] = Field(
        (0.0, 1.0), description="smallest and largest share kept of a shard that raises no warning"
    )
    publish: bool = Field(False, description="whether versions of it are meant to be published")


class RecipeFile(Section):
    """The whole file."""

    lake: str = Field("./lake", description="root of the tables: a folder, or a URL such as s3://bucket/lake")
    pool: Pool
    encoder: Encoder = Encoder(train="filter_network")
    filter_network: FilterNetwork | None = None
    clusters: Clusters = Clusters()
    subsets: dict[Name, Subset] = Field(default_factory=dict)


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
    def checkpoint(self) -> Path | None:
        """The encoder's checkpoint, if the recipe names a file and not a tag."""
        pretrained = self.file.encoder.pretrained
        if pretrained is None or not (self.folder / pretrained).is_file():
            return None
        return (self.folder / pretrained).resolve()


def known_filters() -> dict[str, Filter]:
    """Every name that `keep` understands: the files of filters/, and each numeric column of a score."""
    thresholds = {
        column.name: threshold_filter(score, column.name)
        for score in all_scores().values()
        for column in score.columns
        if column.is_number
    }
    return dict(sorted({**thresholds, **all_filters()}.items()))


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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
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
        faults += [_fault(e["loc"], e["msg"], e["input"]) for e in error.errors()]
    subsets = _read_subsets(file.subsets if file else _well_formed(content), faults)
    if file:
        faults += _cross_faults(file, subsets)
    if faults or file is None:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise RecipeError(f"recipe {path} has {len(faults)} fault{'s' * (len(faults) != 1)}:\n{listed}")
    return Recipe(path, file, tuple(_ordered(subsets)))


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


def _fault(location: tuple[int | str, ...], message: str, value: object) -> str:
    shown = repr(value)
    return f"{'.'.join(str(part) for part in location)}: {message} (found {shown if len(shown) < 80 else shown[:77] + '...'})"


def _read_subsets(sections: Mapping[str, Subset], faults: list[str]) -> list[SubsetPlan]:
    plans = []
    for name, section in sections.items():
        keep = _read_parts(section.keep, ("subsets", name, "keep"), faults)
        plans.append(SubsetPlan(name, section.source, AllOf(tuple(keep)), section.kept_fraction))
    return plans


def _read_parts(parts: object, location: tuple[int | str, ...], faults: list[str]) -> list[Keep]:
    if not isinstance(parts, list) or not parts:
        faults.append(_fault(location, "expected a list of filters with at least one entry", parts))
        return []
    read = [_read_keep(part, (*location, i), faults) for i, part in enumerate(parts)]
    return [keep for keep in read if keep is not None]


def _read_keep(entry: object, location: tuple[int | str, ...], faults: list[str]) -> Keep | None:
    """One entry of a keep list: a name, `{name: {settings}}`, `{any: [...]}`, `{all: [...]}` or `{not: entry}`."""
    name, settings = (entry, {}) if isinstance(entry, str) else (None, None)
    if isinstance(entry, dict) and len(entry) == 1:
        name, settings = next(iter(entry.items()))
    if name in ("any", "all"):
        parts = tuple(_read_parts(settings, (*location, name), faults))
        return AnyOf(parts) if name == "any" else AllOf(parts)
    if name == "not":
        part = _read_keep(settings, (*location, "not"), faults)
        return None if part is None else Not(part)
    known = known_filters()
    if not isinstance(name, str) or name not in known:
        faults.append(_fault(location, f"unknown filter; known: {', '.join(known)}, any, all, not", entry))
        return None
    return _read_leaf(name, known[name], settings if settings is not None else {}, location, faults)


def _read_leaf(
    name: str, declared: Filter, settings: object, location: tuple[int | str, ...], faults: list[str]
) -> Leaf | None:
    parameters = inspect.signature(declared.conditions).parameters
    fields = {p.name: (p.annotation, p.default) for p in parameters.values()}
    model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    try:
        values = TypeAdapter(model).validate_python(settings).model_dump()
        return Leaf(name, values, declared.version, declared.conditions(**values))
    except ValidationError as error:
        allowed = f"; settings: {', '.join(parameters)}"
        faults += [_fault((*location, name, *e["loc"]), e["msg"] + allowed, e["input"]) for e in error.errors()]
    except SchemaError as error:
        faults.append(_fault((*location, name), str(error), settings))
    return None


def _cross_faults(file: RecipeFile, subsets: list[SubsetPlan]) -> list[str]:
    """Faults between sections: sources that do not exist or go in a circle, an encoder that is given twice or not at all."""
    names = {subset.name for subset in subsets}
    faults = [
        _fault(("subsets", s.name, "from"), f"unknown subset; known: {', '.join(sorted(names))}", s.source)
        for s in subsets
        if s.source is not None and s.source not in names
    ]
    in_order = {subset.name for subset in _ordered(subsets)}
    faults += [
        _fault(("subsets", s.name, "from"), "subsets narrow each other in a circle", s.source)
        for s in subsets
        if s.source in names and s.name not in in_order
    ]
    low_high = [(s.name, s.kept_fraction) for s in subsets if not 0 <= s.kept_fraction[0] <= s.kept_fraction[1] <= 1]
    faults += [_fault(("subsets", n, "kept_fraction"), "expected 0 <= smallest <= largest <= 1", v) for n, v in low_high]
    if (file.encoder.train is None) == (file.encoder.model is None):
        faults.append(
            _fault(("encoder",), "expected either train: filter_network, or model and pretrained", _given(file.encoder))
        )
    if file.encoder.model is not None and file.encoder.pretrained is None:
        faults.append(_fault(("encoder", "pretrained"), "expected an OpenCLIP tag or a checkpoint file", None))
    if file.encoder.train is not None and file.filter_network is None:
        faults.append(_fault(("filter_network",), "expected a section with train_on, since the encoder is trained", None))
    if file.filter_network and file.filter_network.train_on not in names:
        faults.append(
            _fault(
                ("filter_network", "train_on"),
                f"unknown subset; known: {', '.join(sorted(names))}",
                file.filter_network.train_on,
            )
        )
    return faults


def _given(section: Section) -> dict[str, object]:
    return section.model_dump(exclude_unset=True)


def _ordered(subsets: list[SubsetPlan]) -> list[SubsetPlan]:
    """Subsets after their sources; those in a circle or with an unknown source are left out."""
    ordered: list[SubsetPlan] = []
    placed: set[str | None] = {None}
    while fresh := [s for s in subsets if s.name not in placed and s.source in placed]:
        ordered += fresh
        placed |= {s.name for s in fresh}
    return ordered
