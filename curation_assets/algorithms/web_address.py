"""Parts of a URL in the form in which they are compared."""

import unicodedata
from urllib.parse import urlsplit


def host_and_path(url: str) -> tuple[str, str]:
    """Host and what follows it (path and query) of a URL.

    The host is NFKC-normalised and in lower case, without user, port, final dot and a leading `www.`; the path is
    NFKC-normalised and starts with a slash. Both are empty where the text has no host, such as a URL without `//`.
    """
    try:
        parts = urlsplit(unicodedata.normalize("NFKC", url).strip())
        host = parts.hostname or ""
    except ValueError:  # brackets that are no IPv6 address
        return "", ""
    host = host.lower().removesuffix(".").removeprefix("www.")
    if not host:
        return "", ""
    query = f"?{parts.query}" if parts.query else ""
    return host, f"{parts.path or '/'}{query}"
