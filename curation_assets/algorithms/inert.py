"""Captions, keys and URLs are hostile text: here they are made harmless for the place where they are shown."""

import re

# C0 and C1 controls (ANSI sequences begin with ESC or CSI), line and paragraph separators, interlinear marks, lone
# surrogates, and what Unicode lists as Default_Ignorable_Code_Point: bidirectional marks and overrides, zero-width
# characters, fillers, tags, and variation selectors, which can carry a hidden text behind any visible letter.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def inert(text: str, *, longest: int = 160) -> str:
    """Text on one line, cut to `longest` characters, with every invisible or directional character spelled out.

    Enough for logs, terminals and places that show text as text. Rich markup is escaped separately by the caller.

    Example:
        >>> inert("a\\x1b[31mred\\u202e<b>")
        'a\u27e8U+001B\u27e9[31mred\u27e8U+202E\u27e9<b>'
    """
    shown = text if len(text) <= longest else text[: longest - 1] + "…"
    return _INVISIBLE.sub(lambda match: " " if match[0] in "\n\r\t" else f"⟨U+{ord(match[0]):04X}⟩", shown)


def excerpt(text: str, *, longest: int = 100) -> str:
    """The beginning of a text, made inert, with at most `longest` characters after what is spelled out."""
    return inert(inert(text, longest=longest), longest=longest)
