"""The key by which LAION's published tables name a sample."""

import numpy as np
import pyarrow as pa

from curation_assets.spec import Score
from curation_assets.tables import Column


def laion_key(url: np.ndarray, text: np.ndarray) -> np.ndarray:
    """Hash of URL and caption by which LAION's tables are joined, so that their columns can be brought to this pool.

    Not a name of this pool's: `a` with `bc` and `ab` with `c` have the same key. LAION takes a missing URL as an empty one;
    here a sample without a URL has no key, since nothing of LAION could be joined to it.

    Args:
        url: str objects, shape (n,).
        text: str objects, shape (n,).

    Returns:
        int64, shape (n,).

    Source:
        Schuhmann et al. 2022, LAION-5B, arXiv:2210.08402; LAION-AI/laion-dedup at 64e9185f and rom1504/laion-prepro at
        ce8ded2c: first half of MurmurHash3 x64 128 of the UTF-8 bytes of URL and caption, signed.

    Example:
        >>> laion_key(np.array(["http://a.b/c.jpg"], object), np.array(["a dog"], object)).tolist()
        [724725793801840095]
    """
    from mmh3 import hash64

    keys = (hash64((address + caption).encode())[0] for address, caption in zip(url, text, strict=True))
    return np.fromiter(keys, np.int64, len(url))


SCORE = Score(
    compute=laion_key,
    columns=(Column("laion_key", pa.int64(), "LAION's hash of URL and caption"),),
    source="LAION-5B, arXiv:2210.08402; LAION-AI/laion-dedup at 64e9185f; rom1504/laion-prepro at ce8ded2c",
    version="1",
    is_on_demand=True,
)
