"""Rows of a pool that a set of uids, image digests, URLs and domains means: whole columns at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.identity import uid_halves, uid_hex

from .requests import domains_of, url_form


@dataclass
class Wanted:
    """What is looked for: uids and sha256 as hex digits, URLs and domains in the form in which they are compared."""

    uids: set[str] = field(default_factory=set)
    sha256: set[str] = field(default_factory=set)
    urls: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)

    @property
    def columns(self) -> list[str]:
        """Columns of raw_pool that have to be read."""
        return ["row", "uid_hi", "uid_lo", "image_sha256", *(["url"] if self.urls or self.domains else [])]

    def rows(self, table: pa.Table) -> np.ndarray:
        """Where a table with these columns has a row that is meant; bool, shape (n,)."""
        found = uids_among(table["uid_hi"].to_numpy(), table["uid_lo"].to_numpy(), self.uids)
        if self.sha256:
            wanted = pa.array([bytes.fromhex(digest) for digest in self.sha256], pa.binary())
            found |= pc.is_in(table["image_sha256"].cast(pa.binary()), value_set=wanted).to_numpy(zero_copy_only=False)
        if self.urls or self.domains:
            found |= self._by_address(table["url"])
        return found

    def _by_address(self, column: pa.ChunkedArray) -> np.ndarray:
        """Only a URL that names a host in it, or could do so in another way of writing, is taken apart."""
        hosts = {url.partition("/")[0] for url in self.urls} | self.domains
        # Tabs and line breaks are dropped from a URL when it is read, and other letters become ASCII ones under NFKC.
        pattern = "|".join([*map(re.escape, sorted(hosts)), r"[\t\r\n]", r"[^\x00-\x7f]"])
        is_possible = pc.fill_null(pc.match_substring_regex(column, pattern, ignore_case=True), False)
        found = np.zeros(len(column), bool)
        at = np.flatnonzero(is_possible.to_numpy(zero_copy_only=False))
        found[at] = [self._means(url) for url in column.take(pa.array(at)).to_pylist()]
        return found

    def _means(self, url: str) -> bool:
        return url_form(url) in self.urls or not self.domains.isdisjoint(domains_of(url))


def among(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where whole numbers, shape (n,), are among wanted ones; bool, shape (n,). By hashing: np.isin sorts."""
    return pc.is_in(pa.array(values), value_set=pa.array(wanted, pa.from_numpy_dtype(values.dtype))).to_numpy(
        zero_copy_only=False
    )


def uids_among(uid_hi: np.ndarray, uid_lo: np.ndarray, wanted: Sequence[str] | set[str]) -> np.ndarray:
    """Where uids, int64 halves of shape (n,), are among the wanted ones, given as hex digits; bool, shape (n,)."""
    found = np.zeros(len(uid_lo), bool)
    if not wanted or not len(uid_lo):
        return found
    _, low = uid_halves([bytes.fromhex(uid) for uid in wanted])
    at = np.flatnonzero(among(uid_lo, low))
    known = set(wanted)
    found[at] = [uid in known for uid in uid_hex(uid_hi[at], uid_lo[at])]
    return found
