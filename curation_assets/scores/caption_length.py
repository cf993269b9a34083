"""Words and characters of a caption."""

import numpy as np
import pyarrow as pa

from curation_assets.spec import Score
from curation_assets.tables import Column


def caption_length(text: np.ndarray) -> dict[str, np.ndarray]:
    """Number of words and of characters in the caption.

    A word is what `str.split()` separates: runs of characters between Unicode white space, so that a no-break space does
    split and punctuation does not. A character is one Unicode code point.

    Args:
        text: str objects, shape (n,).

    Returns:
        caption_words and caption_chars, int32, shape (n,), >= 0.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, basic filtering; code mlfoundations/datacomp at 4a8df199. DataComp's
        image-based filter counts fastText tokens instead; that is another number and not this one.

    Example:
        >>> caption_length(np.array(["a dog, running", ""], object))["caption_words"].tolist()
        [3, 0]
    """
    words = np.fromiter((len(caption.split()) for caption in text), np.int32, len(text))
    chars = np.fromiter((len(caption) for caption in text), np.int32, len(text))
    return {"caption_words": words, "caption_chars": chars}


SCORE = Score(
    compute=caption_length,
    columns=(
        Column("caption_words", pa.int32(), "words of the caption, by str.split", bounds=(0, None)),
        Column("caption_chars", pa.int32(), "Unicode code points of the caption", bounds=(0, None)),
    ),
    source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199",
    version="1",
)
