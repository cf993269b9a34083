"""LAION's join key, against MurmurHash3 written out and keys made beforehand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.scores.laion_key import laion_key
from tests.conftest import SHARED

MASK = 2**64 - 1
FIRST, SECOND = 0x87C37B91114253D5, 0x4CF5AD432745937F


def key(url: str, text: str) -> int:
    return int(laion_key(np.array([url], object), np.array([text], object))[0])


def rotated(x: int, by: int) -> int:
    return (x << by | x >> 64 - by) & MASK


def mixed(x: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        x = (x ^ x >> 33) * factor & MASK
    return x ^ x >> 33


def murmur3(content: bytes) -> int:
    """First half of MurmurHash3 x64 128 with seed 0, as signed number."""
    one = two = 0
    whole = len(content) // 16 * 16
    for at in range(0, whole, 16):
        a, b = (int.from_bytes(content[at + half : at + half + 8], "little") for half in (0, 8))
        one ^= rotated(a * FIRST & MASK, 31) * SECOND & MASK
        one = (((rotated(one, 27) + two) & MASK) * 5 + 0x52DCE729) & MASK
        two ^= rotated(b * SECOND & MASK, 33) * FIRST & MASK
        two = (((rotated(two, 31) + one) & MASK) * 5 + 0x38495AB5) & MASK
    rest = content[whole:].ljust(16, b"\0")
    two ^= rotated(int.from_bytes(rest[8:], "little") * SECOND & MASK, 33) * FIRST & MASK
    one ^= rotated(int.from_bytes(rest[:8], "little") * FIRST & MASK, 31) * SECOND & MASK
    one, two = one ^ len(content), two ^ len(content)
    one = (one + two) & MASK
    two = (two + one) & MASK
    first = (mixed(one) + mixed(two)) & MASK
    return first - 2**64 if first >> 63 else first


@given(st.text(), st.text())
def test_against_the_hash_written_out(url: str, text: str):
    assert key(url, text) == murmur3((url + text).encode())


def test_keys_row_by_row():
    keys = laion_key(np.array(["a", "ab", ""], object), np.array(["bc", "c", ""], object))
    assert keys.dtype == np.int64
    assert keys.tolist() == [murmur3(b"abc"), murmur3(b"abc"), 0]


def test_keys_of_mmh3():
    """mmh3 5.3.1, missing URLs and captions as empty texts."""
    path = SHARED / "vectors" / "laion" / "url_text_hash64.json"
    if not path.is_file():
        pytest.skip(f"no test vectors at {path}")
    for case in json.loads(path.read_text(encoding="utf-8")):
        assert key(case["url"] or "", case["text"] or "") == case["mmh3_hash64_lo_signed"]
