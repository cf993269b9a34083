"""The vector of an image file by the encoder that the lake's embeddings were made with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from curation_assets.errors import EncoderError
from curation_assets.holdings.project import Project
from resources.clip import ClipEncoder
from resources.decode import ImageBytes

from .build import recipe_resources
from .encoder import load_encoder


def file_vector(project: Project, clip: ClipEncoder | None = None) -> Callable[[Path], np.ndarray]:
    """What encodes a file; the model is loaded when it is first called.

    Args:
        project: recipe, graph and lake.
        clip: in place of the encoder that the recipe means.

    Returns:
        A function that gives float32, shape (d,), L2 norm 1, and raises EncoderError where the model cannot be loaded, is no
        longer the one recorded, or cannot read the file.
    """

    def vector(path: Path) -> np.ndarray:
        if project.recipe.encoders[""].features is not None:
            raise EncoderError("the embeddings are those of the pool's own features, whose encoder is not at hand")
        recorded = project.lake.read("encoder").to_pylist()[0]
        chosen = clip or recipe_resources(project.recipe)["clip"]
        loaded = load_encoder(chosen, project.lake, recorded["weights"], recorded["network"])
        if loaded.weights_sha256 != recorded["weights_sha256"]:
            raise EncoderError(f"the weights at {recorded['weights']} are no longer those that made the embeddings")
        encoded = loaded.encode([ImageBytes(str(path), 0, path.stat().st_size)], [""], lambda line: None)
        if encoded.errors[0] is not None:
            raise EncoderError(f"the file cannot be encoded: {encoded.errors[0]}")
        return encoded.image_embedding[0]

    return vector
