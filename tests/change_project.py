"""A project in which the effect of every edit can be worked out on paper: drawn shards, an encoder that does what it reads.

All shards are alike. The encoder takes the picture's colour as its vector, and places the caption at the cosine that the
caption says, so that who is in which subset, and which uid decides a tie, is known without running anything.
"""

import copy
import hashlib
import io
import json
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import numpy as np
import yaml
from PIL import Image

from curation_assets.assets.apply import Applied
from curation_assets.assets.together import CHECKED_BY
from curation_assets.holdings.project import Project, open_project
from curation_assets.lineage.freshness import partition_name
from curation_assets.recipe import load_recipe
from resources.decode import Framing, ImageBytes, decode_rgb
from resources.encoder import Encoded
from tests.small_project import run_apply

Apply = Callable[[Project, dg.DagsterInstance, object], Applied]

RECIPE: dict[str, object] = {
    "lake": "lake",
    "pool": {"path": "pool/*.tar"},
    "encoder": {"model": "written", "pretrained": "first.weights"},
    # So many that the centroids are fitted on every sample, and the drift of what they have seen is 0.
    "clusters": {"k": 2, "policy": "frozen", "samples_per_centroid": 4096},
    "subsets": {
        "basic": {"keep": ["english_caption", {"caption_length": {}}, {"image_size": {"min_side_px": 64}}]},
        "aligned": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.5}}]},
        "typical": {"from": "aligned", "keep": [{"prototype_distance": {"max": 0.03}}]},
        "distinct": {"keep": [{"semdedup_similarity": {"max": 0.95}}]},
        "bystander": {"keep": ["english_caption"]},
    },
}
RED, TINTED_RED, STRONGLY_TINTED_RED = (255, 0, 0), (255, 0, 128), (255, 0, 255)
GREEN, TINTED_GREEN, STRONGLY_TINTED_GREEN = (0, 255, 0), (0, 255, 128), (0, 255, 255)


class Sample(NamedTuple):
    """A picture of one colour, its caption, and the number that makes its uid unique in the shard."""

    number: int
    colour: tuple[int, int, int]
    caption: str
    side_px: int = 64


# Of each shard, basic keeps the first four, aligned the two that are rated best, typical the one of them without a tint;
# distinct keeps one of each colour, all of the first shard: 2 and 4 with a tint are preferred to 1 and 3 without.
SHARD = (
    Sample(1, RED, "a photograph of the red wall in the morning, rated 0.90"),
    Sample(2, TINTED_RED, "a photograph of the red wall in the evening, rated 0.80"),
    Sample(3, GREEN, "a photograph of the green wall in the morning, rated 0.60"),
    Sample(4, TINTED_GREEN, "green wall was rated 0.30"),
    Sample(5, RED, "a photograph of the red wall at night, rated 0.20", side_px=48),
    Sample(6, GREEN, "green 0.10"),
)
# The same with another caption at 4, and with 7 before all others, so that rows and offsets move.
REPLACED = (
    Sample(7, GREEN, "a photograph of the green wall at noon, rated 0.40"),
    *SHARD[:3],
    SHARD[3]._replace(caption="green wall was rated 0.25"),
    *SHARD[4:],
)
# Tints that move both centroids, so that every similarity changes once they are fitted again, and so many reds that the
# drift is felt. The first two are among the best again. Being further out they are preferred to the tints of the first shard.
SKEWED = (
    Sample(1, STRONGLY_TINTED_RED, "a photograph of the red wall in the morning, rated 0.95"),
    Sample(2, STRONGLY_TINTED_RED, "a photograph of the red wall in the evening, rated 0.90"),
    Sample(3, STRONGLY_TINTED_GREEN, "a photograph of the green wall in the morning, rated 0.60"),
    Sample(4, STRONGLY_TINTED_RED, "red wall was rated 0.30"),
    *SHARD[4:],
)


def write_shard(path: Path, samples: Sequence[Sample]) -> None:
    """A tar in the layout of img2dataset; uids ascend with the shard's name."""
    with tarfile.open(path, "w") as archive:
        for sample in samples:
            uid = f"{int(path.stem):016x}{sample.number:016x}"
            buffer = io.BytesIO()
            Image.new("RGB", (sample.side_px, sample.side_px), sample.colour).save(buffer, "PNG")
            members = {"png": buffer.getvalue(), "txt": sample.caption.encode(), "json": json.dumps({"uid": uid}).encode()}
            for kind, payload in members.items():
                entry = tarfile.TarInfo(f"{sample.number:05d}.{kind}")
                entry.size = len(payload)
                archive.addfile(entry, io.BytesIO(payload))


class WrittenEncoder:
    """Vectors that can be read off picture and caption; counts what it is given.

    Another seed is another checkpoint: tints are stronger, and agreements are the other way round.
    """

    name, image_size_px, dimensions, device = "written", 8, 4, "cpu"

    def __init__(self, seed: int) -> None:
        self.weights_sha256 = hashlib.sha256(f"written {seed}".encode()).hexdigest()
        self.embedded = 0
        self._seed = seed

    def encode(self, images: Sequence[ImageBytes], texts: Sequence[str], log: Callable[[str], None]) -> Encoded:
        self.embedded += len(texts)
        image = np.array([self._image(place) for place in images], np.float32).reshape(-1, self.dimensions)
        text = np.array([self._text(caption) for caption in texts], np.float32).reshape(-1, self.dimensions)
        log(f"embedded {len(texts)} samples")
        return Encoded(image, text, [None] * len(texts))

    def _image(self, place: ImageBytes) -> np.ndarray:
        with open(place.path, "rb") as file:
            file.seek(place.offset)
            pixels = decode_rgb(file.read(place.length), Framing(self.image_size_px))
        vector = np.append(pixels[0, 0] / 255.0, 0.0)
        vector[2] *= 1 + self._seed
        return vector / np.linalg.norm(vector)

    def _text(self, caption: str) -> np.ndarray:
        rated = float(caption.split()[-1])
        cosine = 1 - rated if self._seed else rated
        vector = np.zeros(self.dimensions)
        vector[0 if "red" in caption.split() else 1] = cosine
        vector[3] = np.sqrt(1 - cosine**2)
        return vector


class WrittenClip:
    """Stands in for the resource `clip`; another seed is another checkpoint."""

    def __init__(self, seed: int = 0) -> None:
        self.encoder = WrittenEncoder(seed)
        self._seed = seed

    def __repr__(self) -> str:
        return f"WrittenClip({self._seed})"

    def load(self) -> WrittenEncoder:
        return self.encoder


@dataclass
class World:
    """A folder with recipe, pool, checkpoints and lake, and the encoder that a run of it gets."""

    folder: Path
    recipe: dict[str, dict[str, object]] = field(default_factory=lambda: copy.deepcopy(RECIPE))
    clip: WrittenClip = field(default_factory=WrittenClip)
    comment: str = ""

    @classmethod
    def drawn(cls, folder: Path, shards: int) -> "World":
        """A new one, of which nothing has been made."""
        (folder / "pool").mkdir(parents=True)
        for name in ("first.weights", "second.weights"):
            (folder / name).write_text("a checkpoint; the encoder does not read it")
        for number in range(shards):
            write_shard(folder / "pool" / f"{number:05d}.tar", SHARD)
        return cls(folder)

    def copied(self, folder: Path) -> "World":
        """The same in another folder, with another encoder that counts from 0."""
        return World(Path(shutil.copytree(self.folder, folder)))

    def project(self) -> Project:
        """The project of the recipe as it is now."""
        path = self.folder / "curation.yaml"
        path.write_text(self.comment + yaml.safe_dump(self.recipe, sort_keys=False))
        return open_project(load_recipe(path))

    def tar(self, number: int) -> Path:
        return self.folder / "pool" / f"{number:05d}.tar"


class Witnesses(NamedTuple):
    """What an apply did, told by those that do not know of each other."""

    applied: set[str]
    recorded: set[str]
    renewed: set[str]
    events: Counter[str]
    rows: dict[str, tuple[int, int]]
    embedded: int
    faults: dict[str, str]


def run_and_watch(world: World, instance: dg.DagsterInstance, apply: Apply = run_apply) -> Witnesses:
    """Apply, and what changed by it: the command's own account, the records in Delta, Dagster's events, the encoder."""
    project = world.project()
    before, events, embedded = records(project), _events(instance), world.clip.encoder.embedded
    applied = apply(project, instance, world.clip)
    after = records(project)
    recorded, renewed = (
        {name for name, record in after.items() if record.get(said) not in (None, before.get(name, {}).get(said))}
        for said in ("run_id", CHECKED_BY)
    )
    counts = {name: after[name] for name in recorded | renewed if "rows_reused" in after[name]}
    return Witnesses(
        applied=set(applied.materialized),
        recorded=recorded,
        renewed=renewed,
        events=_events(instance) - events,
        rows={name: (int(str(r["rows_made"])), int(str(r["rows_reused"]))) for name, r in counts.items()},
        embedded=world.clip.encoder.embedded - embedded,
        faults={**applied.failed, **applied.held_back},
    )


def records(project: Project) -> dict[str, Mapping[str, object]]:
    """The newest record of every partition, by name."""
    return {
        partition_name(node.name, shard): record
        for node in project.graph.values()
        for shard, record in project.records(node.key).items()
    }


def versions(folder: Path) -> dict[str, int]:
    """How many commits each table in a lake has, also those that no recipe names any more."""
    lake = folder / "lake"
    return {log.parent.relative_to(lake).as_posix(): len(list(log.glob("*.json"))) for log in lake.rglob("_delta_log")}


def _events(instance: dg.DagsterInstance) -> Counter[str]:
    """How often Dagster was told that each partition was materialized."""
    found: Counter[str] = Counter()
    for asset in instance.all_asset_keys():
        filters, cursor, has_more = dg.AssetRecordsFilter(asset_key=asset), None, True
        while has_more:
            page = instance.fetch_materializations(filters, limit=1000, cursor=cursor)
            found.update(partition_name("/".join(asset.path), record.partition_key) for record in page.records)
            cursor, has_more = page.cursor, page.has_more
    return found
