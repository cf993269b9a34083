"""Language of a caption by CLD3, the detector of the LAION rules."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from curation_assets.spec import Score
from curation_assets.tables import Column

if TYPE_CHECKING:
    from gcld3 import NNetLanguageIdentifier

_MAX_BYTES = 1000  # CLD3 looks at snippets of the caption that add up to this; mlfoundations/datacomp at 4a8df199


def caption_language_cld3(text: np.ndarray) -> dict[str, np.ndarray]:
    """Most probable language of the caption by CLD3, and its probability.

    CLD3 is unsure of short captions: `hello world` is Kyrgyz for it. About 30 us per caption. A caption without a letter is
    `und` with probability 0; CLD3 itself says Japanese, 0.78, for every such text. Codes are CLD3's: `iw` is Hebrew, `no`
    Norwegian, `bg-Latn` Bulgarian in Latin letters.

    Args:
        text: str objects, shape (n,).

    Returns:
        caption_language_cld3, and caption_language_cld3_probability, float32 in [0, 1], shape (n,) each.

    Source:
        Salcianu et al. 2016, Compact Language Detector v3, google/cld3 at b48dc465. As in the LAION-2B rule of DataComp,
        arXiv:2304.14108 (mlfoundations/datacomp at 4a8df199): texts of any length, at most 1000 bytes of them, a newline
        becomes a space, and CLD3's own opinion whether it is reliable is not asked for.

    Example:
        >>> caption_language_cld3(np.array(["a photograph of the old harbour at night", "3"], object))["caption_language_cld3"]
        array(['en', 'und'], dtype=object)
    """
    detector = _detector()
    found = [_language(detector, caption.replace("\n", " ")) for caption in text]
    return {
        "caption_language_cld3": np.array([language for language, _ in found], dtype=object),
        "caption_language_cld3_probability": np.array([probability for _, probability in found], dtype=np.float32),
    }


def _language(detector: "NNetLanguageIdentifier", caption: str) -> tuple[str, float]:
    if not any(character.isalpha() for character in caption):
        return "und", 0.0
    best = detector.FindLanguage(caption)
    return best.language, best.probability


@cache
def _detector() -> "NNetLanguageIdentifier":
    from gcld3 import NNetLanguageIdentifier

    return NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=_MAX_BYTES)


SCORE = Score(
    compute=caption_language_cld3,
    columns=(
        Column("caption_language_cld3", pa.string(), "most probable language by CLD3; und when there is no letter"),
        Column("caption_language_cld3_probability", pa.float32(), "probability of that language", bounds=(0, 1)),
    ),
    source="google/cld3 at b48dc465; mlfoundations/datacomp at 4a8df199",
    version="1",
    is_on_demand=True,
)
