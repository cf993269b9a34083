"""What is looked for in files, and every way in which it may be spelled there. No files here."""

import html
import json
from dataclasses import dataclass

from curation_assets.errors import ArgumentError

KINDS = ("uid", "sha256", "text", "url")
_LENGTHS = {"uid": 16, "sha256": 32}
# A shorter caption or URL ("dog") stands by accident in other texts, so it counts only where it is a whole value.
SHORTEST_PART_BYTES = 12
# The 64-bit halves of a uid are 18 or 19 digits nearly always; fewer than these could be a time or a size.
_SHORTEST_DECIMAL = 15
_NESTING = 3


@dataclass(frozen=True)
class Needle:
    """One thing that must be nowhere.

    Args:
        kind: `uid` (16 bytes, big-endian), `sha256` (32 bytes), `text` or `url` (UTF-8).
        value: as the kind says. An empty text or URL is found nowhere.

    Raises:
        ArgumentError: the kind is unknown, or the value is no such thing.
    """

    kind: str
    value: bytes

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ArgumentError(f"no needle is of the kind {self.kind!r}; known: {', '.join(KINDS)}")
        wanted = _LENGTHS.get(self.kind, len(self.value))
        if len(self.value) != wanted:
            raise ArgumentError(
                f"a needle of kind {self.kind} has {wanted} bytes, not {len(self.value)}; give raw bytes, not hex"
            )
        if self.kind in ("text", "url"):
            try:
                self.value.decode()
            except UnicodeDecodeError as error:
                raise ArgumentError(
                    f"a needle of kind {self.kind} must be UTF-8: {error.reason} at byte {error.start}"
                ) from error

    @property
    def is_whole_only(self) -> bool:
        """Whether it is looked for as a whole value only, because it is too short to be a part of one."""
        return self.kind in ("text", "url") and len(self.value) < SHORTEST_PART_BYTES


def spellings(needle: Needle) -> frozenset[bytes]:
    """Every byte string that would betray the needle in a file.

    Hex in lower and upper case; raw bytes; of a uid also its halves as two little-endian numbers in either order, and
    each half alone as the decimal number that JSON statistics hold. Texts as they are, escaped for HTML, and all these
    escaped for JSON up to three times (a value in a JSON column in the statistics of a Delta commit), with and without
    \\u escapes. Short texts (`is_whole_only`) in quotes only.

    Example:
        >>> sorted(spellings(Needle("sha256", bytes(32))))[1] == b"0" * 64
        True
    """
    if needle.kind in _LENGTHS:
        return frozenset(_digits(needle))
    plain = needle.value.decode()
    if not plain:
        return frozenset()
    shown = _shown(plain)
    levels = [shown]
    for _ in range(_NESTING):
        levels.append(_escaped(levels[-1]))
    if not needle.is_whole_only:
        return frozenset(text.encode() for text in frozenset().union(*levels))
    # The quotes around a value of JSON in JSON are escaped; the backslashes before the first one need not be looked at.
    quotes = ['"', '\\"', '\\\\\\"']
    return frozenset(f'"{text}{quote}'.encode() for quote, texts in zip(quotes, levels[1:], strict=True) for text in texts)


def _digits(needle: Needle) -> list[bytes]:
    """Spellings of 16 or 32 bytes that mean a number."""
    value = needle.value
    found = [value.hex().encode(), value.hex().upper().encode(), value]
    if needle.kind == "uid":
        hi, lo = value[:8][::-1], value[8:][::-1]
        numbers = [int.from_bytes(half, "little", signed=signed) for half in (hi, lo) for signed in (True, False)]
        found += [hi + lo, lo + hi, *(str(n).encode() for n in numbers if len(str(abs(n))) >= _SHORTEST_DECIMAL)]
    return found


def _shown(plain: str) -> set[str]:
    """A text as it is and as a page shows it: html.escape and MarkupSafe write quotes in different ways."""
    named, bare = html.escape(plain), html.escape(plain, quote=False)
    return {plain, named, bare, bare.replace('"', "&#34;").replace("'", "&#39;")}


def _escaped(texts: set[str]) -> set[str]:
    """Texts as they stand between the quotes of JSON."""
    return {json.dumps(text, ensure_ascii=is_ascii)[1:-1] for text in texts for is_ascii in (True, False)}
