"""A small project and a tiny deterministic encoder: enough to materialize everything in seconds."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dagster as dg
import numpy as np
import yaml

from curation_assets.assets.apply import Applied, Settings, apply
from curation_assets.assets.build import build_definitions
from curation_assets.assets.encoder import clip_resource
from curation_assets.holdings.project import Project, open_project
from curation_assets.recipe import Recipe, check_recipe
from resources.decode import Framing, ImageBytes, decode_rgb, read_payload
from resources.encoder import Encoded

SUBSETS: dict[str, object] = {
    "basic": {
        "keep": ["english_caption", {"caption_length": {}}, {"image_size": {"min_side_px": 64, "max_aspect_ratio": 3.0}}]
    },
    "aligned": {"from": "basic", "keep": [{"clip_score": {"top_fraction": 0.5}}]},
}


class TinyEncoder:
    """Average colours of a 4 x 4 grid against hashed words: deterministic, fast, and of no use for curation."""

    name, image_size_px, dimensions, device = "tiny", 8, 16, "cpu"

    def __init__(self, seed: int) -> None:
        self.weights_sha256 = hashlib.sha256(f"tiny {seed}".encode()).hexdigest()
        self._projection = np.random.default_rng(seed).normal(size=(8 * 8 * 3, self.dimensions))

    def encode(self, images: Sequence[ImageBytes], texts: Sequence[str], log: Callable[[str], None]) -> Encoded:
        encoded = Encoded(
            np.zeros((len(texts), self.dimensions), np.float32), np.zeros((len(texts), self.dimensions), np.float32), []
        )
        for row, (image, text) in enumerate(zip(images, texts, strict=True)):
            files: dict[str, int] = {}
            payload = read_payload(image, files)
            for file in files.values():
                os.close(file)
            try:
                pixels = decode_rgb(payload, Framing(8)).reshape(-1) / 255 - 0.5
            except (OSError, ValueError) as error:
                encoded.errors.append(f"undecodable: {error}"[:80])
                continue
            encoded.image_embedding[row] = _unit(pixels @ self._projection)
            encoded.text_embedding[row] = self._text(text)
            encoded.errors.append(None)
        log(f"embedded {len(texts)} samples")
        return encoded

    def encode_texts(self, texts: Sequence[str], log: Callable[[str], None]) -> tuple[np.ndarray, list[str | None]]:
        return np.stack([self._text(text) for text in texts]).astype(np.float32), [None] * len(texts)

    def _text(self, text: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        return _unit(np.random.default_rng(seed).normal(size=self.dimensions))


class TinyClip:
    """Stands in for the resource `clip`; another seed is another checkpoint."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def __repr__(self) -> str:
        return f"TinyClip({self._seed})"

    def load(self) -> TinyEncoder:
        return TinyEncoder(self._seed)

    def load_network(self, config: Mapping[str, object], weights: Path) -> TinyEncoder:
        raise NotImplementedError(f"the tiny encoder is no network: {config} {weights}")


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def make_project(folder: Path, pool: Path | str, subsets: Mapping[str, object] | None = None, **sections: object) -> Project:
    """A project in `folder` over the tars that `pool` matches, with the tiny encoder's name in its recipe."""
    content = {
        "lake": str(folder / "lake"),
        "pool": {"path": str(pool)},
        "encoder": {"model": "tiny", "pretrained": "tiny"},
        "subsets": dict(SUBSETS if subsets is None else subsets),
        **sections,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "curation.yaml"
    path.write_text(yaml.safe_dump(content))
    return open_project(check_recipe(content, path))


def run_apply(
    project: Project, instance: dg.DagsterInstance, clip: object | None = None, settings: Settings | None = None
) -> Applied:
    """`curate apply` with the tiny encoder; every other encoder of the recipe is another tiny one."""
    encoders = {clip_resource(label): TinyClip(number) for number, label in enumerate(project.recipe.encoders)}
    definitions = build_definitions(project.recipe, {**encoders, "clip": clip or TinyClip()})
    return apply(project, definitions, instance, lambda line: None, settings or Settings())


def tiny_definitions(recipe: Recipe) -> dg.Definitions:
    """Definitions with the tiny encoder, for worker processes."""
    return build_definitions(recipe, {"clip": TinyClip()})
