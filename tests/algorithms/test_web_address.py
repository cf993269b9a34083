"""Hosts and paths of URLs, ordinary and broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.algorithms.web_address import host_and_path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.Example.org/A/b.JPG", ("example.org", "/A/b.JPG")),
        ("http://example.org", ("example.org", "/")),
        ("http://user:word@example.org:8080/a?x=1#part", ("example.org", "/a?x=1")),
        ("//cdn.example.org/a", ("cdn.example.org", "/a")),
        ("http://EXAMPLE.org./a", ("example.org", "/a")),
        ("http://ｅｘａｍｐｌｅ.org/ｘ", ("example.org", "/x")),
        ("http://例え.jp/写真", ("xn--r8jz45g.jp", "/写真")),
        ("http://XN--R8JZ45G.jp/a", ("xn--r8jz45g.jp", "/a")),
        ("http://हिन्दी。भारत/", ("xn--j2bd4cyah0f.xn--h2brj9c", "/")),
        ("http://faß.de/", ("xn--fa-hia.de", "/")),  # as browsers have it since IDNA 2008
        ("http://faß.de./", ("xn--fa-hia.de", "/")),
        ("http://www.www.org/", ("www.org", "/")),
        ("http://[2001:DB8::1]:80/x", ("2001:db8::1", "/x")),
        (" http://example.org/a\n", ("example.org", "/a")),
        ("http://www./a", ("www", "/a")),
        ("http://exa℀mple.org/", ("exaa", "/cmple.org/")),  # NFKC writes the sign as a/c
        *((broken, ("", "")) for broken in ("", "example.org/a.jpg", "http://", "http://[", "data:image/png;base64,aaaa")),
        *((broken, ("", "")) for broken in ("http://:80/", "http://[::1/x", "/a/b")),
    ],
)
def test_urls_on_paper(url: str, expected: tuple[str, str]):
    assert host_and_path(url) == expected


_HOST = st.text(alphabet="abcdefg-", min_size=1, max_size=8).map(lambda name: f"{name}.org").filter(lambda h: h != "www.org")


@given(
    _HOST, st.sampled_from(["", "www.", "WWW."]), st.sampled_from(["", ":80", ":8443"]), st.sampled_from(["", "me@", "a:b@"])
)
def test_what_surrounds_a_host_is_dropped(host: str, prefix: str, port: str, user: str):
    assert host_and_path(f"https://{user}{prefix}{host.upper()}{port}/a")[0] == host


@given(st.text())
def test_every_text_has_an_answer(text: str):
    host, path = host_and_path(text)
    assert bool(host) == path.startswith("/")
