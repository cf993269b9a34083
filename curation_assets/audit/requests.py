"""What a takedown asks for: a file of selectors, one a line: uid, sha256 of an image, URL, domain or perceptual hash."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation_assets.algorithms.inert import inert
from curation_assets.algorithms.web_address import host_and_path
from curation_assets.errors import ArgumentError

KINDS = ("uid", "sha256", "url", "domain", "phash")
_HEX_DIGITS = {"uid": 32, "sha256": 64, "phash": 16}
_KIND_OF_LENGTH = {digits: kind for kind, digits in _HEX_DIGITS.items()}
_HOST = re.compile(r"[\w-]+(\.[\w-]+)+")
_MOST_FAULTS = 50


@dataclass(frozen=True)
class Selector:
    """One thing to remove.

    Args:
        kind: one of KINDS.
        value: in the form in which it is compared: lower-case hex digits, a host, or host and path of a URL.
        written: as the request has it.
    """

    kind: str
    value: str
    written: str


@dataclass(frozen=True)
class Request:
    """What is to be removed, why, and under which number it is known.

    Args:
        selectors: each once.
        reason: for the receipt.
        ticket: for the receipt, and for the reason of the rejected rows.
        radius: perceptual distance up to which pictures count as the same, 0 to 16; -1 if none does.
    """

    selectors: tuple[Selector, ...]
    reason: str
    ticket: str
    radius: int


def read_request(path: Path, *, reason: str, ticket: str, radius: int) -> Request:
    """The request that a file and the words of a command make.

    Raises:
        ArgumentError: the file cannot be read, has no selector or wrong ones, or ticket, reason or radius cannot be.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ArgumentError(f"cannot read the request {path}: {error.strerror or error}; give a text file") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"the request {path} is no UTF-8 text at byte {error.start}; give one selector a line") from error
    if not re.fullmatch(r"[\w.:/#-]{1,100}", ticket, re.ASCII):
        raise ArgumentError(f"ticket {inert(ticket)!r}: give 1 to 100 letters, digits or . _ : / # -")
    if not reason.strip():
        raise ArgumentError("the reason is empty; say in a few words why these samples are removed")
    if not -1 <= radius <= 16:
        raise ArgumentError(f"radius {radius}: give 0 to 16 bits of 64, or -1 for no near twins")
    selectors = parse_selectors(text, str(path))
    if radius < 0 and any(selector.kind == "phash" for selector in selectors):
        raise ArgumentError(f"{path} names perceptual hashes, which radius {radius} turns off; give a radius of 0 to 16")
    return Request(selectors, reason.strip(), ticket, radius)


def parse_selectors(text: str, name: str) -> tuple[Selector, ...]:
    """The selectors of a request's text; empty lines and lines that begin with # are skipped.

    Raises:
        ArgumentError: lines that are no selector, all of them by number; or no selector at all. `name` is the text's name.
    """
    found: dict[tuple[str, str], Selector] = {}
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        selector = _selector(written)
        if isinstance(selector, str):
            faults.append(f"line {number}: {inert(written, longest=80)!r} {selector}")
        else:
            found.setdefault((selector.kind, selector.value), selector)
    if faults:
        shown = "\n".join(f"  {fault}" for fault in faults[:_MOST_FAULTS])
        more = f"\n  and {len(faults) - _MOST_FAULTS:,} more" if len(faults) > _MOST_FAULTS else ""
        raise ArgumentError(f"{name} has {len(faults):,} lines that select nothing:\n{shown}{more}\n{_FORMS}")
    if not found:
        raise ArgumentError(f"{name} selects nothing: it has no line but comments. {_FORMS}")
    return tuple(found.values())


def url_form(url: str) -> str:
    """A URL in the form in which it is compared: host and path; empty if it has no host."""
    return "".join(host_and_path(url))


def domains_of(url: str) -> list[str]:
    """The host of a URL and every domain that it is below, but for the last label."""
    labels = host_and_path(url)[0].split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]


def by_kind(selectors: Sequence[Selector]) -> Mapping[str, list[str]]:
    """Values of each kind; every kind has an entry."""
    return {kind: [s.value for s in selectors if s.kind == kind] for kind in KINDS}


def _selector(written: str) -> Selector | str:
    """The selector of a line, or what is wrong with it."""
    head, colon, tail = written.partition(":")
    kind = head.strip().lower()
    if colon and kind in KINDS and not tail.startswith("//"):
        value = _VALUES[kind](tail.strip())
        return Selector(kind, value, tail.strip()) if value else f"is no {kind}"
    if "://" in written:
        value = _url(written)
        return Selector("url", value, written) if value else "is a URL without a host"
    if re.fullmatch(r"[0-9a-fA-F]+", written):
        kind = _KIND_OF_LENGTH.get(len(written), "")
        return Selector(kind, written.lower(), written) if kind else f"has {len(written)} hex digits"
    value = _domain(written)
    return Selector("domain", value, written) if value else "has none of the known forms"


def _hex(kind: str) -> Callable[[str], str]:
    digits = _HEX_DIGITS[kind]
    return lambda text: text.lower() if re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text) else ""


def _url(text: str) -> str:
    return url_form(text) if "://" in text else ""


def _domain(text: str) -> str:
    """A host name with a dot in it, in the form in which hosts are compared; empty for anything else."""
    host, path = host_and_path(f"http://{text}")
    return host if path == "/" and _HOST.fullmatch(host) and not set(text) & set("/@:?#") else ""


_VALUES: Mapping[str, Callable[[str], str]] = {
    **{kind: _hex(kind) for kind in _HEX_DIGITS},
    "url": _url,
    "domain": _domain,
}
_FORMS = (
    "a line is a uid (32 hex digits), the sha256 of an image (64), a perceptual hash (16), a URL (with ://) or a domain such "
    f"as example.org; or says which with {', '.join(f'{kind}:' for kind in KINDS)} before it"
)
