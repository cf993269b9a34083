"""Hosts of a column of URLs; the cases of a single URL are those of algorithms/web_address."""

import numpy as np

from curation_assets.scores.url_host import SCORE, url_host


def test_hosts_row_by_row():
    urls = ["https://www.Example.org:443/a.jpg", "a.jpg", "", "http://me@b.example.org", "http://[bad"]
    assert url_host(np.array(urls, object)).tolist() == ["example.org", "", "", "b.example.org", ""]
    assert SCORE.inputs == ("url",)
