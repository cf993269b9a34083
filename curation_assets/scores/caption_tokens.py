"""Tokens of a caption as fastText counts them, which is not how words are counted."""

import re

import numpy as np
import pyarrow as pa

from curation_assets.spec import Score
from curation_assets.tables import Column

_TOKEN = re.compile("\n|[^ \n\r\t\v\f\0]+")


def caption_tokens(text: np.ndarray) -> np.ndarray:
    """Number of fastText tokens in the caption.

    Tokens are separated by the six ASCII characters space, tab, vertical tab, form feed, carriage return and NUL; each
    newline is a token of its own (fastText's end of sentence). A no-break space or an ideographic space does not separate,
    which is where the number differs from `caption_words`.

    Args:
        text: str objects, shape (n,).

    Returns:
        int32, shape (n,), >= 0.

    Source:
        Bojanowski et al. 2017, fastText, arXiv:1607.04606, its reader of words; used by the filter before clustering of
        Gadre et al. 2023, DataComp, arXiv:2304.14108, code mlfoundations/datacomp at 4a8df199.

    Example:
        >>> caption_tokens(np.array(["a dog", "a\\ndog", "a\\u00a0dog"], object)).tolist()
        [2, 3, 1]
    """
    return np.fromiter((len(_TOKEN.findall(caption)) for caption in text), np.int32, len(text))


SCORE = Score(
    compute=caption_tokens,
    columns=(Column("caption_tokens", pa.int32(), "fastText tokens of the caption", bounds=(0, None)),),
    source="fastText, arXiv:1607.04606; mlfoundations/datacomp at 4a8df199",
    version="1",
    is_on_demand=True,
)
