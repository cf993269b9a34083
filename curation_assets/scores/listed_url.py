"""Whether an image comes from a place that a list names."""

from functools import lru_cache
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.web_address import host_and_path
from curation_assets.algorithms.word_list import read_word_list, required_path
from curation_assets.errors import RecipeError
from curation_assets.spec import Outside, Score
from curation_assets.tables import Column

# Paths (empty for a domain) by host.
_Places = dict[str, tuple[str, ...]]


def listed_url(
    url: np.ndarray,
    *,
    places: Annotated[
        str | None, Outside(), Field(description="file of domains (example.org) and URL prefixes (https://example.org/a/)")
    ] = None,
) -> np.ndarray:
    """How many entries of a list of domains and URL prefixes the image's URL falls under.

    A domain stands for its sub-domains too. A prefix has a slash: it stands for URLs of exactly that host whose path
    begins so, character by character (`example.org/a` also for `/ab`). Scheme, user, port and `www.` do not count on either
    side. Lines that begin with # are comments. Costs one look-up per label of the host, whatever the length of the list.

    Args:
        url: str objects, shape (n,).
        places: file of domains and URL prefixes.

    Returns:
        int32, shape (n,); 0 for a text that is no URL.

    Raises:
        RecipeError: `places` is not given, is no list, or has entries without a host.

    Source:
        Penedo et al. 2023, RefinedWeb, arXiv:2306.01116, drops what a list of domains names, before any text is looked at;
        Longpre et al. 2024, Consent in Crisis, arXiv:2407.14933, on places that withdraw their consent.
    """
    path = required_path(places, score="listed_url", setting="places", meaning="a file of domains and URL prefixes")
    listed = _places(read_word_list(path), str(path))
    return np.fromiter((_matches(address, listed) for address in url), np.int32, len(url))


def _matches(url: str, places: _Places) -> int:
    host, path = host_and_path(url)
    labels = host.split(".")
    domains = (".".join(labels[at:]) for at in range(len(labels)))
    inside = sum("" in places.get(domain, ()) for domain in domains)
    return inside + sum(path.startswith(prefix) for prefix in places.get(host, ()) if prefix)


@lru_cache(maxsize=4)
def _places(entries: tuple[str, ...], name: str) -> _Places:
    """The list by host, each entry once."""
    by_host: dict[str, dict[str, None]] = {}
    wrong = []
    for entry in entries:
        if entry.startswith("#"):
            continue
        address = entry.partition("://")[2] if "://" in entry else entry
        host, path = host_and_path(f"//{address}")
        wrong += [] if host else [entry]
        by_host.setdefault(host, {})["" if "/" not in address else path] = None
    if wrong:
        raise RecipeError(f"{name}: entries without a host: {wrong[:3]}; expected example.org or https://example.org/path")
    return {host: tuple(paths) for host, paths in by_host.items()}


SCORE = Score(
    compute=listed_url,
    columns=(Column("listed_url", pa.int32(), "entries of the list that the URL falls under", bounds=(0, None)),),
    source="RefinedWeb, arXiv:2306.01116",
    version="2",
    keep="low",
    is_on_demand=True,
)
