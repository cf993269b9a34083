"""Small pools of the formats that are no tars, made up from a seed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DIMENSIONS = 12


def uid_of(number: int | str) -> str:
    """A uid of 32 hex digits that belongs to a number."""
    return hashlib.sha256(f"uid {number}".encode()).hexdigest()[:32]


def datacomp_columns(rows: int, seed: int = 0) -> dict[str, list[object]]:
    """Columns of DataComp's metadata for so many rows."""
    rng = np.random.default_rng(seed)
    return {
        "uid": [uid_of(f"{seed} {row}") for row in range(rows)],
        "url": [f"https://example.org/{seed}/{row}.jpg" for row in range(rows)],
        "text": [f"a photo of thing number {row}" for row in range(rows)],
        "original_width": rng.integers(200, 900, rows).tolist(),
        "original_height": rng.integers(200, 900, rows).tolist(),
        "clip_b32_similarity_score": rng.uniform(0.1, 0.4, rows).tolist(),
        "clip_l14_similarity_score": rng.uniform(0.1, 0.4, rows).tolist(),
        "face_bboxes": [[[0.1, 0.2, 0.3, 0.4]] if row % 3 == 0 else [] for row in range(rows)],
        "sha256": [hashlib.sha256(f"{seed} {row}".encode()).hexdigest() for row in range(rows)],
    }


def datacomp_features(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of the file of features: three loose groups of images, captions near them."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(3, DIMENSIONS))
    image = centres[rng.integers(0, 3, rows)] + 0.3 * rng.normal(size=(rows, DIMENSIONS))
    text = image + rng.normal(size=(rows, DIMENSIONS))
    return {
        name: array.astype(np.float16) for name, array in {"l14_img": image, "l14_txt": text, "dedup": image[:, :5]}.items()
    }


def write_datacomp(
    path: Path, columns: Mapping[str, object], features: Mapping[str, np.ndarray] | None, compressed: bool = False
) -> Path:
    """A shard: a parquet, and its file of features if there are any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path)
    if features is not None:
        (np.savez_compressed if compressed else np.savez)(path.with_suffix(".npz"), **features)
    return path
