"""The sections of a recipe file as pydantic models: keys, types, bounds, defaults, meanings. docs/recipe.md is made of it."""

from typing import Literal

from pydantic import Field, field_validator

from .section import AuditTimes, Automation, Name, Section


class Pool(Section):
    """Where the raw samples are."""

    format: Literal["webdataset", "img2dataset", "datacomp", "parquet", "folder"] = Field(
        "webdataset",
        description="webdataset and img2dataset are tars with one reader; datacomp is parquet files with .npz features beside "
        "them and no pixels; parquet is captions with images or URLs in columns; folder is image files with captions beside "
        "them, a shard per folder",
    )
    path: str | list[str] = Field(description="the pool's files: paths or globs, relative to the recipe's folder")
    image_column: str | None = Field(
        "image", description="parquet: bytes, or a struct with bytes; null where there are only URLs"
    )
    text_column: str = Field("text", description="parquet: captions")
    url_column: str = Field("url", description="parquet: where the images were found, if there is such a column")
    uid_column: str = Field("uid", description="parquet: 32 hex digits, if there is such a column")
    width_column: str = Field("width", description="parquet: px, read for rows without bytes")
    height_column: str = Field("height", description="parquet: px, read for rows without bytes")
    # Pillow itself refuses to decode beyond twice its own limit of 89,478,485.
    max_image_pixels: int = Field(
        89_478_485, ge=1, le=178_956_970, description="larger images are rejected by their header, px"
    )
    verify: Literal["structure", "decode"] = Field(
        "structure", description="how truncation is found: by the file's structure, or by decoding every image"
    )

    max_removed_fraction: float = Field(
        0.5, ge=0, le=1, description="share of the shards that may disappear at once; more is taken for a lost mount"
    )

    @field_validator("path", mode="plain")
    @classmethod
    def _one_or_more(cls, path: object) -> str | list[str]:
        if isinstance(path, str) or (isinstance(path, list) and path and all(isinstance(part, str) for part in path)):
            return path
        raise ValueError("expected a path or glob, or a list of them")

    @property
    def is_tars(self) -> bool:
        """Whether its shards are tars."""
        return self.format in ("webdataset", "img2dataset")

    @property
    def has_pixels(self) -> bool:
        """Whether samples have the bytes of their images; in a parquet pool some may have none."""
        return self.format != "datacomp"

    @property
    def is_whole(self) -> bool:
        """Whether every sample has the bytes of its image."""
        return self.format not in ("datacomp", "parquet")

    @property
    def has_scores(self) -> bool:
        """Whether its source states scores."""
        return self.format == "datacomp"

    @property
    def read_with(self) -> set[str]:
        """Keys that decide what is read of a shard."""
        columns = {name for name in type(self).model_fields if name.endswith("_column")}
        return (
            {"max_image_pixels", "verify"}
            | (set() if self.is_tars else {"format"})
            | (columns if self.format == "parquet" else set())
        )


class Encoder(Section):
    """The model that makes embeddings."""

    model: str | None = Field(None, description="OpenCLIP model name")
    pretrained: str | None = Field(None, description="OpenCLIP tag, or a local checkpoint file")
    preprocess_as: str | None = Field(
        None, description="tag whose way to prepare pictures a local checkpoint wants; needed where the model's tags differ"
    )
    train: Literal["filter_network"] | None = Field(None, description="use the network trained here instead")
    features: dict[Literal["image", "text"], Name] | None = Field(
        None, description="stored features of a datacomp pool to use instead, such as {image: l14_img, text: l14_txt}"
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto is cuda if there is one, else cpu")
    precision: Literal["fp32", "fp16", "bf16"] = Field("fp32", description="arithmetic of the towers")
    batch_size: int = Field(64, ge=1, description="samples per forward pass; halved when memory runs out")
    decode_workers: int = Field(1, ge=0, description="processes that read and decode images; 0 decodes in the step itself")

    @field_validator("features")
    @classmethod
    def _both(cls, features: dict[str, str] | None) -> dict[str, str] | None:
        if features is not None and set(features) != {"image", "text"}:
            raise ValueError("expected both image and text")
        return features


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
    batch_size: int = Field(64, ge=2, description="pairs that are contrasted in a step")
    learning_rate: float = Field(1e-3, gt=0, description="peak of the cosine schedule")
    holdout_fraction: float = Field(0.1, ge=0, lt=1, description="share of the pairs held out to measure the AUC")
    seed: int = Field(0, ge=0, description="of weights, order and what is held out")
    threads: int = Field(2, ge=1, description="CPU threads; another number can change the last bits of the weights")


class Clusters(Section):
    """Spherical k-means over image embeddings."""

    k: int | Literal["auto"] = Field("auto", description="clusters; auto is the square root of the number of samples")
    iterations: int = Field(20, ge=1, description="Lloyd iterations")
    seed: int = Field(0, ge=0, description="of the initial centroids and of the training sample")
    samples_per_centroid: int = Field(256, ge=39, description="training samples per centroid at most")
    policy: Literal["frozen", "refit_on_drift", "always"] = Field(
        "frozen", description="when centroids are fitted again as the pool changes; another encoder always does"
    )
    max_drift: float = Field(
        0.1, ge=0, le=1, description="share of samples in other clusters beyond which refit_on_drift fits again"
    )
    fit_on: Name | None = Field(None, description="subset whose samples the centroids are fitted on; none is the whole pool")
    given: str | None = Field(None, description=".npy file of centroids to use instead of fitting any, shape (k, d)")
    assignment: Literal["cosine", "inner_product"] = Field(
        "cosine",
        description="inner_product leaves given centroids as long as they are, as DataComp does",
    )
    fit: int = Field(1, ge=1, description="raise it to fit once more, whatever the policy")

    @field_validator("k", mode="plain")
    @classmethod
    def _positive_or_auto(cls, k: object) -> int | str:
        if k == "auto" or (isinstance(k, int) and not isinstance(k, bool) and k >= 1):
            return k
        raise ValueError("expected auto, or a whole number from 1")


class Subset(Section):
    """One named set of decisions."""

    source: Name | None = Field(None, alias="from", description="subset that it narrows; none is the whole pool")
    keep: list[object] = Field(min_length=1, description="filters that must all pass, in the order in which they explain")
    kept_fraction: tuple[float, float] = Field(
        (0.0, 1.0), description="smallest and largest share kept of a shard that raises no warning"
    )
    publish: bool = Field(False, description="whether a version is published whenever its rows change")


class Target(Section):
    """Pictures, or names of classes, that show what the training set is for."""

    path: str = Field(
        description="folder of pictures, relative to the recipe's, its sub-folders are classes; .npy file of their vectors; or "
        "list of class names, .json or .txt with one per line"
    )
    prompt: str = Field("a photo of a {}.", description="sentence that the name of a class is put into")

    @property
    def kind(self) -> Literal["pictures", "vectors", "names"]:
        """What is at the path, by its ending."""
        ending = self.path.rpartition(".")[2]
        return "vectors" if ending == "npy" else "names" if ending in ("json", "txt") else "pictures"

    @field_validator("prompt")
    @classmethod
    def _with_a_place(cls, prompt: str) -> str:
        if prompt.count("{}") != 1:
            raise ValueError("expected one {} in it, where the name goes")
        return prompt


class RecipeFile(Section):
    """The whole file."""

    lake: str = Field("./lake", description="root of the tables: a folder, or a URL such as s3://bucket/lake")
    pool: Pool
    encoder: Encoder = Encoder(train="filter_network")
    filter_network: FilterNetwork | None = None
    clusters: Clusters = Clusters()
    encoders: dict[Name, Encoder] = Field(default_factory=dict, description="more encoders: `clip_score_NAME` is by NAME")
    clusterings: dict[Name, Clusters] = Field(
        default_factory=dict, description="more clusterings, without refit_on_drift: `prototype_distance_NAME` is by NAME"
    )
    targets: dict[Name, Target] = Field(default_factory=dict)
    scores: dict[str, dict[Name, dict[str, object]]] = Field(
        default_factory=dict, description="scores with other settings than their own: `{score: {label: {settings}}}`"
    )
    subsets: dict[Name, Subset] = Field(default_factory=dict)
    automation: Automation = Automation()
    audit: AuditTimes = AuditTimes()


# Section of each key of the file that has one; every subset has the same.
SECTIONS: dict[str, type[Section]] = {
    "pool": Pool,
    "encoder": Encoder,
    "filter_network": FilterNetwork,
    "clusters": Clusters,
    "encoders": Encoder,
    "clusterings": Clusters,
    "targets": Target,
    "subsets": Subset,
    "automation": Automation,
    "audit": AuditTimes,
}
