"""What a sample may be named by on the command line: uid, sha256 of its image, URL, domain, shard and key, or a file."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curation_assets.algorithms.identity import uid_halves
from curation_assets.algorithms.inert import inert
from curation_assets.algorithms.web_address import host_and_path
from curation_assets.errors import ArgumentError

UID, SHA256, URL, KEY, DOMAIN, FILE = "uid", "sha256", "url", "key", "domain", "file"
_FORMS = {
    UID: "a uid (32 hex digits)",
    SHA256: "the sha256 of an image (64 hex digits)",
    URL: "a URL (https://host/path)",
    KEY: "SHARD/KEY",
    DOMAIN: "a domain (example.org)",
    FILE: "an existing file",
}
# Of ASCII letters, digits, - and _ are in host names; of all else what is no space. A pattern such as *.example.org is none.
_LABEL = r"(?:[A-Za-z0-9_-]|[^\s\x00-\x7f])+"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # a byte of the command line that is no UTF-8; nothing stored has one


@dataclass(frozen=True)
class Asked:
    """What was asked for: one of the kinds above, and the text in its compared form (hex in lower case)."""

    kind: str
    text: str

    @property
    def halves(self) -> tuple[int, int]:
        """High and low half of a uid, signed, as stored."""
        hi, lo = uid_halves([bytes.fromhex(self.text)])
        return int(hi[0]), int(lo[0])


def sample_asked(text: str) -> Asked:
    """One sample, or the few that share an image or URL.

    Raises:
        ArgumentError: it is none of the forms; lists them.

    Example:
        >>> sample_asked("00000/000000012"), sample_asked("HTTPS://example.org/a.jpg").kind
        (Asked(kind='key', text='00000/000000012'), 'url')
    """
    return _plain(text.strip()) or _key(text) or _refuse(text, (UID, SHA256, URL, KEY))


def samples_asked(text: str) -> Asked:
    """Any number of samples: those of a domain, or those like a file, as well.

    Raises:
        ArgumentError: it is none of the forms; lists them.

    Example:
        >>> samples_asked("Example.ORG").text
        'example.org'
    """
    return _plain(text.strip()) or _file(text) or _domain(text.strip()) or _refuse(text, (UID, SHA256, URL, DOMAIN, FILE))


def uid_text(uid_hi: int, uid_lo: int) -> str:
    """A stored uid as 32 hex digits."""
    return f"{int(np.int64(uid_hi).view(np.uint64)):016x}{int(np.int64(uid_lo).view(np.uint64)):016x}"


def _plain(text: str) -> Asked | None:
    for kind, digits in ((UID, 32), (SHA256, 64)):
        if re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text, re.ASCII):
            return Asked(kind, text.lower())
    return Asked(URL, text) if "://" in text and host_and_path(text)[0] and not _LONE_SURROGATE.search(text) else None


def _key(text: str) -> Asked | None:
    shard, slash, key = text.partition("/")
    is_named = slash and key and re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", shard, re.ASCII) and "://" not in text
    return Asked(KEY, text) if is_named and not _LONE_SURROGATE.search(key) else None


def _file(text: str) -> Asked | None:
    try:
        return Asked(FILE, text) if text and Path(text).is_file() else None
    except (OSError, ValueError):  # a name that is too long, or has a zero byte
        return None


def _domain(text: str) -> Asked | None:
    is_host = _HOST.fullmatch(text.removesuffix(".")) and not _LONE_SURROGATE.search(text)
    host = host_and_path(f"//{text}")[0] if is_host else ""
    return Asked(DOMAIN, host) if host else None


def _refuse(text: str, kinds: tuple[str, ...]) -> Asked:
    forms = ", ".join(_FORMS[kind] for kind in kinds)
    digits = f"; this has {len(text.strip())} hex digits" if re.fullmatch(r"[0-9a-fA-F]+", text.strip()) else ""
    raise ArgumentError(f"{inert(text, longest=80)!r} names no sample; accepted forms: {forms}{digits}")
