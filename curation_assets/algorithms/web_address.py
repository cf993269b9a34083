"""Parts of a URL in the form in which they are compared."""

import unicodedata
from urllib.parse import urlsplit


def host_and_path(url: str) -> tuple[str, str]:
    """Host and what follows it (path and query) of a URL.

    The host is NFKC-normalised and in lower case, without user, port, final dot and a leading `www.`, and in the ASCII form
    of international names, so that both ways of writing one are one host; the path is NFKC-normalised and starts with a
    slash. Both are empty where the text has no host, such as a URL without `//`.

    Example:
        >>> host_and_path("https://www.Bücher.example/a")
        ('xn--bcher-kva.example', '/a')
    """
    try:
        parts = urlsplit(unicodedata.normalize("NFKC", url).strip())
        host = parts.hostname or ""
    except ValueError:  # brackets that are no IPv6 address
        return "", ""
    host = _ascii(host.lower()).removesuffix(".").removeprefix("www.")
    if not host:
        return "", ""
    query = f"?{parts.query}" if parts.query else ""
    return host, f"{parts.path or '/'}{query}"


def _ascii(host: str) -> str:
    """A host with every label that is not ASCII in punycode (RFC 3492), as browsers and the DNS write it."""
    if host.isascii():
        return host
    labels = host.replace("。", ".").split(".")
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels)
