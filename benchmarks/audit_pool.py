"""A pool of DataComp's metadata to ask about, with subsets that are published: no pixels, no model, any number of rows."""

from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation_assets.assets.apply import Settings, apply
from curation_assets.assets.build import build_definitions
from curation_assets.holdings.project import Project, open_project
from curation_assets.recipe import check_recipe

_WORDS = np.array(["small", "red", "boat", "blue", "lake", "near", "old", "tree", "two", "dogs", "run", "wet", "grass"])


def draw_pool(folder: Path, rows: int, shards: int, seed: int = 0) -> None:
    """Parquet files of captions, addresses, sizes and two stated scores per row."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for shard, count in enumerate(np.diff(np.linspace(0, rows, shards + 1).astype(int))):
        uids = [part.hex() for part in _chunks(rng.bytes(16 * count), 16)]
        words = _WORDS[rng.integers(0, len(_WORDS), (count, 8))]
        captions = [f"{' '.join(line)} {number}" for number, line in enumerate(words.tolist())]
        hosts = rng.integers(0, 5000, count)
        columns = {
            "uid": uids,
            "url": [f"https://host{host}.example.org/{uid[:12]}.jpg" for host, uid in zip(hosts.tolist(), uids, strict=True)],
            "text": captions,
            "original_width": rng.integers(100, 1600, count),
            "original_height": rng.integers(100, 1600, count),
            "sha256": [part.hex() for part in _chunks(rng.bytes(32 * count), 32)],
            "clip_b32_similarity_score": rng.normal(0.25, 0.05, count).astype(np.float32),
            "clip_l14_similarity_score": rng.normal(0.22, 0.06, count).astype(np.float32),
        }
        pq.write_table(pa.table(columns), folder / f"{shard:05}.parquet")


def _chunks(text: bytes, length: int) -> list[bytes]:
    return [text[at : at + length] for at in range(0, len(text), length)]


def subsets_of(wide: float, narrow: int) -> dict[str, object]:
    """A subset of nearly all rows, and narrower ones whose filters explain in different ways."""
    found: dict[str, object] = {"wide": {"keep": [{"clip_b32_similarity_score": {"top_fraction": wide}}]}}
    for number in range(narrow):
        keep = [{"image_size": {"min_side_px": 150 + number}}, {"clip_l14_similarity_score": {"top_fraction": 0.25}}]
        found[f"narrow_{number:02}"] = {"keep": keep}
    return found


def make_lake(folder: Path, subsets: dict[str, object]) -> Project:
    """Materialize the subsets and what they need; a second call with other subsets makes what changed."""
    content = {
        "pool": {"path": "pool/*.parquet", "format": "datacomp"},
        "encoder": {"features": {"image": "l14_img", "text": "l14_txt"}},
        "subsets": subsets,
    }
    project = open_project(check_recipe(content, folder / "curation.yaml"))
    with dg.DagsterInstance.ephemeral() as instance:
        settings = Settings(select=["subsets/*", "decisions/*"])
        applied = apply(project, build_definitions(project.recipe), instance, lambda line: None, settings)
    if applied.failed:
        raise SystemExit(f"the lake could not be made: {applied.failed}")
    return project
