"""Captions and URLs that the proof looks for, against comparing each with each."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from curation_assets.audit.lake_roots import LakeRoot
from curation_assets.audit.plain_values import unshared
from curation_assets.audit.victims import Found, Victim
from resources.delta import Lake, Part

SHARDS = ("a", "b", "c")
LONG = "a caption whose beginning is that of others, "


def rows(shard: str, texts: list[str], urls: list[str | None]) -> pa.Table:
    count = len(texts)
    return pa.table({"shard": [shard] * count, "row": pa.array(range(count), pa.int32()), "text": texts, "url": urls})


def test_values_that_stay_anywhere_are_not_looked_for(tmp_path: Path):
    rng = np.random.default_rng(3)
    words = ["red.*", "blue", "(boat", "red.* (boat", LONG + "one", LONG + "two", LONG + "one more", "x"]
    urls = [None, *(f"https://h/{number}?a=[b]" for number in range(12)), "https://h/1"]
    lake = Lake(root=str(tmp_path))
    found, staying = Found(), []
    for shard in SHARDS:
        texts, addresses = rng.choice(words, 4).tolist(), rng.choice(urls, 4).tolist()
        lake.write("raw_pool", [Part(shard, rows(shard, texts, addresses), {})])
        for row, (text, url) in enumerate(zip(texts, addresses, strict=True)):
            if rng.random() < 0.5:
                found.victims["", shard, row] = Victim("", shard, row, f"{row:032x}", None, text, url, None, "selected")
            else:
                staying.append((text, url))
    gone = found.victims.values()
    captions, addresses = unshared([LakeRoot("", tmp_path, ("raw_pool",)), LakeRoot("none", tmp_path / "none", ())], found)
    assert captions == sorted({one.text for one in gone if not any(one.text in text for text, _ in staying)})
    kept = [url for _, url in staying if url]
    assert addresses == sorted({one.url for one in gone if one.url and not any(one.url in url for url in kept)})
    assert captions
    assert addresses
    assert len(captions) < len({one.text for one in gone})
