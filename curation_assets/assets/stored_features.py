"""Embeddings that the pool's source has computed already: read from its files of features, never computed again."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.digest import json_digest
from curation_assets.algorithms.labels import label_of
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.algorithms.vectors import to_binary
from curation_assets.errors import EncoderError, PoolError
from resources.datacomp import features_path
from resources.feature_file import Features, feature_shapes, unit_features

from .catalogue import most_frequent
from .step import Draft, Made, Step

_LOOKED_AT = 5  # shards asked for the length of a vector; one may be damaged


def stored_encoder(step: Step, names: Mapping[str, str]) -> Made:
    """The row of `encoder` that stands for stored features; its data version is a digest of their names.

    Raises:
        EncoderError: the pool has features, but not these.
    """
    facts = {
        "weights_sha256": json_digest(dict(names)),
        "encoder_name": f"stored {names['image']} and {names['text']}",
        "weights": "",
        "dimensions": _dimensions(step.state.files, names),
        "encoder_image_size_px": 0,
    }
    columns = {name: pa.array([value]) for name, value in {**facts, "network": ""}.items()}
    return Made(step.draft(step.node.key, columns, data_version=facts["weights_sha256"]), facts)


def stored_embeddings(step: Step, row: pa.ChunkedArray, names: Mapping[str, str]) -> tuple[Draft, dict[str, object]]:
    """Unit vectors of a shard, and what the UI shows of them.

    Args:
        step: the shard of `embeddings` that is made.
        row: raw_pool's row numbers, which are positions in the file of features.
        names: arrays of the file, by `image` and `text`.

    Raises:
        EncoderError: the file has no such features, or of another length than the encoder's.
        LakeError: the shard's files have changed since raw_pool was read from them.
    """
    step.require_unchanged_tar()
    columns = _vectors(step, row.to_numpy(), names)
    step.require_unchanged_tar()
    reasons = reason_counts(columns["reason"].to_pylist())
    return step.draft(step.node.key, {"row": row, **columns}), {"not_embedded": most_frequent(reasons), "features": dict(names)}


def _vectors(step: Step, row: np.ndarray, names: Mapping[str, str]) -> dict[str, pa.Array]:
    path = step.state.files.get(str(step.shard))
    if not len(row) or path is None:
        return _without_vectors(0, "")
    path = features_path(path)
    if not path.exists():
        return _without_vectors(len(row), "the shard has no file of features")
    known = feature_shapes(path)
    encoder = next(key for key in step.node.inputs if label_of(key, "encoder") is not None)
    recorded = step.read(encoder).to_pylist()[0]["dimensions"]
    for name in names.values():
        if name not in known or known[name][1:] != (recorded,):
            found = f"of length {known[name][1:]}" if name in known else f"not among {', '.join(known)}"
            raise EncoderError(
                f"{path.name}: features {name!r} are {found}; the encoder's have length {recorded}. Correct "
                "encoder.features, or materialize encoder again"
            )
    try:
        image, text = (unit_features(path, names[kind], row) for kind in ("image", "text"))
    except PoolError as error:
        return _without_vectors(len(row), str(error))
    return _columns(image, text)


def _columns(image: Features, text: Features) -> dict[str, pa.Array]:
    """Columns of embeddings: a row is NULL where one of its vectors is faulty; where both are, the image is named."""
    reasons = pa.array([a or b for a, b in zip(image.faults, text.faults, strict=True)], pa.string())
    is_good = reasons.is_null().to_numpy(zero_copy_only=False)
    vectors = {"image_embedding": image.vectors, "text_embedding": text.vectors}
    return {**{name: to_binary(matrix, "<f2", is_good) for name, matrix in vectors.items()}, "reason": reasons}


def _without_vectors(rows: int, reason: str) -> dict[str, pa.Array]:
    nothing = pa.nulls(rows, pa.binary())
    return {"image_embedding": nothing, "text_embedding": nothing, "reason": pa.array([reason] * rows, pa.string())}


def _dimensions(files: Mapping[str, Path], names: Mapping[str, str]) -> int:
    """Length of a vector, from the first file of features that can be read; 0 where there is none.

    Raises:
        EncoderError: that file has other features.
    """
    present = (path for path in map(features_path, files.values()) if path.exists())
    for path in islice(present, _LOOKED_AT):
        try:
            shapes = feature_shapes(path)
        except PoolError:
            continue
        lengths = {shapes.get(name, ())[1:] for name in names.values()}
        if len(lengths) > 1 or not lengths.issubset({shape[1:] for shape in shapes.values() if len(shape) == 2}):
            known = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise EncoderError(f"encoder.features {dict(names)}: expected two matrices of one width; {path.name} has {known}")
        return lengths.pop()[0]
    return 0
