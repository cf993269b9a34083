"""Host that an image was found on."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.web_address import host_and_path
from curation_assets.spec import Score
from curation_assets.tables import Column


def url_host(url: np.ndarray) -> np.ndarray:
    """Host of the image's URL in lower case, without user, port and a leading `www.`.

    The whole name, not the registered domain: `a.example.org` and `b.example.org` are two hosts, for which no list of public
    suffixes is needed. Samples without a URL have no value.

    Args:
        url: str objects, shape (n,).

    Returns:
        str objects, shape (n,); empty where the text is no URL with a host.

    Source:
        Schuhmann et al. 2022, LAION-5B, arXiv:2210.08402; its tables by domain in LAION-AI/laion.ai normalise the URL by
        NFKC and drop `www.` likewise, but keep user and port.

    Example:
        >>> url_host(np.array(["https://www.Example.org:443/a.jpg", "a.jpg"], object)).tolist()
        ['example.org', '']
    """
    return np.array([host_and_path(address)[0] for address in url], dtype=object)


SCORE = Score(
    compute=url_host,
    columns=(Column("url_host", pa.string(), "host of the image's URL, in lower case and without www."),),
    source="LAION-5B, arXiv:2210.08402",
    version="2",
    is_on_demand=True,
)
