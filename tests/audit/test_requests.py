"""Requests for takedowns: what each line means, and errors that name every bad one."""

from pathlib import Path

import pytest

from curation_assets.audit.requests import domains_of, parse_selectors, read_request, url_form
from curation_assets.errors import ArgumentError

UID, SHA256, PHASH = "0a" * 16, "0b" * 32, "0c" * 8


@pytest.mark.parametrize(
    ("line", "kind", "value"),
    [
        (UID.upper(), "uid", UID),
        (f"uid: {UID}", "uid", UID),
        (SHA256, "sha256", SHA256),
        (f"SHA256:{SHA256}", "sha256", SHA256),
        (PHASH, "phash", PHASH),
        (f"phash:{PHASH}", "phash", PHASH),
        ("https://WWW.Example.org:443/A.jpg?b=c#d", "url", "example.org/A.jpg?b=c"),
        ("url:http://a.example.org", "url", "a.example.org/"),
        ("www.Example.org.", "domain", "example.org"),
        ("domain: a-b.example.org", "domain", "a-b.example.org"),
    ],
)
def test_a_line_is_told_by_its_form_or_by_its_prefix(line: str, kind: str, value: str):
    (found,) = parse_selectors(f"# why\n\n  {line}  \n", "request.txt")
    assert (found.kind, found.value) == (kind, value)


def test_a_selector_that_comes_twice_is_one():
    assert len(parse_selectors(f"{UID}\nuid:{UID.upper()}\n", "r")) == 1


def test_one_error_names_every_bad_line_with_its_number():
    bad = [UID[:-1], "uid:xyz", "http://", "domain:org", "two words", "a\x1b[31mb", "domain:b.org/path", "url:example.org"]
    with pytest.raises(ArgumentError) as caught:
        parse_selectors("\n".join([UID, *bad]), "request.txt")
    message = str(caught.value)
    assert message.startswith("request.txt has 8 lines that select nothing")
    assert all(f"line {number}: " in message for number in range(2, 10))
    assert "line 1:" not in message
    assert "\x1b" not in message
    assert all(part in message for part in ("31 hex digits", "uid (32 hex digits)"))


@pytest.mark.parametrize("text", ["", "\n# nothing\n"])
def test_an_empty_request_is_an_error(text: str):
    with pytest.raises(ArgumentError, match=r"request\.txt selects nothing"):
        parse_selectors(text, "request.txt")


def test_a_request_is_read_with_its_words(tmp_path: Path):
    path = tmp_path / "request.txt"
    path.write_bytes(b"\xef\xbb\xbf" + UID.encode())
    found = read_request(path, reason=" asked ", ticket="T-1", radius=4)
    assert (found.selectors[0].value, found.reason, found.ticket, found.radius) == (UID, "asked", "T-1", 4)


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (b"\xff\xfe", {}, "no UTF-8 text at byte 0"),
        (None, {}, "cannot read the request .*No such file"),
        (UID.encode(), {"ticket": "a b"}, "ticket 'a b': give 1 to 100 letters"),
        (UID.encode(), {"ticket": ""}, "ticket ''"),
        (UID.encode(), {"reason": " "}, "the reason is empty"),
        (UID.encode(), {"radius": 17}, "radius 17: give 0 to 16"),
        (UID.encode(), {"radius": -2}, "radius -2"),
        (PHASH.encode(), {"radius": -1}, "names perceptual hashes, which radius -1 turns off"),
    ],
)
def test_what_cannot_be_is_said(content: bytes | None, words: dict[str, object], message: str, tmp_path: Path):
    path = tmp_path / "request.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArgumentError, match=message):
        read_request(path, **{"reason": "asked", "ticket": "T", "radius": 4, **words})


def test_urls_and_domains_have_one_form():
    assert url_form("no host") == ""
    assert domains_of("https://a.B.example.org/x") == ["a.b.example.org", "b.example.org", "example.org"]
    assert domains_of("no host") == []
    # A site has one name, in letters and in the ASCII form that links are often written in.
    written, (selector,) = "https://img.हिन्दी.भारत/a", parse_selectors("हिन्दी.भारत", "request")
    assert selector.kind == "domain"
    assert selector.value in domains_of(written)
    assert selector.value in domains_of("http://IMG.xn--j2bd4cyah0f.xn--h2brj9c/a")
    assert url_form(written) == url_form("https://img.xn--j2bd4cyah0f.xn--h2brj9c/a")
