"""The definitions that the automation's end-to-end test serves: the recipe in effect, with an encoder of milliseconds."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg

from curation_assets.assets.build import build_definitions
from curation_assets.recipe import load_recipe
from resources.decode import ImageBytes
from resources.encoder import Encoded
from tests.small_project import TinyClip, TinyEncoder

POISON = "a caption that no encoder survives"
HANGING = "a caption that takes long, as long as there is a certain file"


class FragileEncoder(TinyEncoder):
    """The tiny encoder, which certain captions break or keep."""

    def encode(self, images: Sequence[ImageBytes], texts: Sequence[str], log: Callable[[str], None]) -> Encoded:
        if POISON in texts:
            raise RuntimeError("the encoder broke <script>alert(1)</script>\x1b[31m")
        hangs = Path(os.environ["CURATION_RECIPE"]).with_name("hangs")
        if HANGING in texts and hangs.exists():
            draft = hangs.with_suffix(".draft")
            draft.write_text(str(os.getpid()))
            draft.rename(hangs.with_suffix(".pid"))
            while hangs.exists():
                time.sleep(0.1)
        return super().encode(images, texts, log)


class FragileClip(TinyClip):
    """Stands in for the resource `clip`."""

    def load(self) -> TinyEncoder:
        return FragileEncoder(0)


@dg.definitions
def served() -> dg.Definitions:
    """Read by Dagster, not on import."""
    return build_definitions(load_recipe(), {"clip": FragileClip()})
