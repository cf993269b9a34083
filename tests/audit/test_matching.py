"""Rows that a request means: whole columns at once, against a plain look at each row."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.algorithms.identity import uid_halves, uid_hex
from curation_assets.audit.masks import read_masks
from curation_assets.audit.matching import Wanted, uids_among
from curation_assets.audit.near_pictures import near_rows
from curation_assets.audit.requests import domains_of, url_form

HOSTS = (
    "example.org",
    "EXAMPLE.org",
    "www.example.org.",
    "a.example.org",
    "example.org.evil.net",
    "exam\tple.org",
    "ｅxample.org",
)
URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https"]),
    st.sampled_from(["", "user@"]),
    st.sampled_from(HOSTS),
    st.sampled_from(["", ":8080", "/", "/a.png", "/a.png?b=c", "/other"]),
)


@given(urls=st.lists(st.one_of(st.none(), URLS, st.text(max_size=20)), max_size=12))
def test_urls_and_domains_mean_what_a_look_at_each_row_finds(urls: list[str | None]):
    wanted = Wanted(urls={"example.org/a.png"}, domains={"a.example.org", "evil.net"})
    n = len(urls)
    columns = {"uid_hi": np.arange(n), "uid_lo": np.arange(n), "image_sha256": pa.nulls(n, pa.binary())}
    found = wanted.rows(pa.table({**columns, "url": pa.array(urls, pa.string())}))
    plain = [url is not None and (url_form(url) in wanted.urls or bool(wanted.domains & set(domains_of(url)))) for url in urls]
    assert found.tolist() == plain


@given(uids=st.lists(st.binary(min_size=16, max_size=16), max_size=20), data=st.data())
def test_uids_are_found_by_both_halves(uids: list[bytes], data: st.DataObject):
    hi, lo = uid_halves(uids)
    wanted = data.draw(st.sets(st.sampled_from(uid_hex(hi, lo)))) if uids else set()
    half = {uid[16:] + uid[:16] for uid in wanted}  # the same halves the other way round
    known = set(uid_hex(hi, lo))
    assert uids_among(hi, lo, wanted | half).tolist() == [uid in wanted | (half & known) for uid in uid_hex(hi, lo)]


@given(seed=st.integers(0, 2**32), radius=st.integers(0, 16))
def test_masks_keep_distances_and_near_rows_are_those_of_a_plain_count(
    seed: int, radius: int, tmp_path_factory: pytest.TempPathFactory
):
    rng = np.random.default_rng(seed)
    wanted = rng.integers(-(2**63), 2**63, (3, 1), dtype=np.int64)
    pictures = np.repeat(wanted, 4, axis=0) ^ (1 << rng.integers(0, 62, (12, 10)))
    masks = read_masks(str(tmp_path_factory.mktemp("salt")), may_make=True)
    assert (masks.masked(masks.masked(wanted)) == wanted).all()
    found = {
        pair for left, right in near_rows(wanted, pictures, radius) for pair in zip(left.tolist(), right.tolist(), strict=True)
    }
    for i in range(3):
        for j in range(12):
            bits = [np.bitwise_count((wanted[i, 0] ^ pictures[j, column]).view(np.uint64)) for column in range(2)]
            assert ((i, j) in found) == (min(bits) <= radius)
            hidden = masks.masked(wanted)[i, 0] ^ masks.masked(pictures)[j, 0]
            assert np.bitwise_count(hidden.view(np.uint64)) == bits[0]
