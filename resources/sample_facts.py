"""One sample's members, collected from a shard, turned into one row of facts or one rejection.

The rules of caption, uid and json fields live here; which member belongs to which sample is each format's business.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from resources.images import ImageFacts, Refusal

BOM = b"\xef\xbb\xbf"
# json nested deeper is refused. Python's own limit depends on how deep the caller already is, so it cannot decide.
NESTING_LIMIT = 64
SURROGATES = re.compile("[\ud800-\udfff]")
# Only an escape can put a lone surrogate into valid UTF-8.
SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


Digest = type(hashlib.sha256())


@dataclass(slots=True)
class Parts:
    """What a shard holds of one sample: facts about its image, and its small members as they are.

    No `image_offset` means no bytes: `image` is then what the source states, `image_digest` that of the URL.
    """

    key: str
    image_offset: int | None
    image_bytes: int | None = 0
    image: ImageFacts | Refusal | None = None
    image_digest: Digest | None = None
    text: bytes | None = None
    json: bytes | None = None
    caption_source: str = "txt"
    link: str = ""
    extensions: set[str] = field(default_factory=set)
    too_large: dict[str, int] = field(default_factory=dict)  # extension -> size of members that were not read for it
    remarks: list[str] = field(default_factory=list)


class SampleRow(NamedTuple):
    """Facts of a kept sample; the fields are the columns of ShardContents.kept. Without pixels, facts of the file are None."""

    row: int
    uid: bytes
    key: str
    text: str
    caption_source: str
    url: str | None
    width: int | None
    height: int | None
    format: str | None
    image_sha256: bytes | None
    offset_bytes: int | None
    image_bytes: int | None
    licence: str | None
    is_sha256_matching: bool | None
    remarks: str
    extra: str | None


class RejectedRow(NamedTuple):
    """A sample that is not kept; the fields are the columns of ShardContents.rejected."""

    row: int
    key: str
    reason: str
    detail: str
    offset_bytes: int | None


def sample_row(parts: Parts, row: int) -> SampleRow | RejectedRow:
    """Facts of a sample whose members are all read, or the first reason why it is refused.

    Args:
        parts: its members.
        row: its ordinal in the shard.

    Returns:
        Image faults come before json faults, json faults before caption faults. The uid is the json's where that is 32
        hex digits, else the first 16 bytes of sha256(image bytes, 0x00, caption).
    """
    facts = _image_refusal(parts)
    if facts is None:
        fields = json_fields(parts)
        facts = fields if isinstance(fields, Refusal) else _facts(parts, row, fields)
        if isinstance(facts, SampleRow):
            return facts
    return RejectedRow(row, encodable(parts.key), facts.reason, facts.detail[:200], parts.image_offset)


def encodable(text: str) -> str:
    """The text with U+FFFD where a code point cannot be written as UTF-8.

    Example:
        >>> encodable("caf\\udce9") == "caf\\ufffd"
        True
    """
    return text if text.isascii() else SURROGATES.sub("\ufffd", text)


def json_fields(parts: Parts) -> dict[str, object] | Refusal:
    """The json member's fields, none where there is no json; refused unless it is one strict UTF-8 object."""
    if "json" in parts.too_large:
        return Refusal("malformed_json", f"json of {parts.too_large['json']} bytes is too large to be read")
    if parts.json is None:
        return {}
    try:
        fields = _DECODER.decode(parts.json.removeprefix(BOM).decode("utf-8"))
        if SURROGATE_ESCAPE.search(parts.json):
            fields = _without_lone_surrogates(fields, parts.remarks)
    except UnicodeDecodeError as error:
        return Refusal("malformed_json", f"invalid UTF-8 at byte {error.start}")
    except RecursionError:
        return Refusal("malformed_json", f"nested deeper than {NESTING_LIMIT} levels")
    except ValueError as error:
        return Refusal("malformed_json", str(error))
    if not isinstance(fields, dict):
        return Refusal("malformed_json", f"expected an object, found {type(fields).__name__}")
    brackets = parts.json.count(b"{") + parts.json.count(b"[")
    if brackets > NESTING_LIMIT and _is_too_deep(fields):
        return Refusal("malformed_json", f"nested deeper than {NESTING_LIMIT} levels")
    return fields


def _image_refusal(parts: Parts) -> Refusal | None:
    if parts.link:
        return Refusal("not_a_regular_file", f"member {parts.link!r} is a link, a device or of an unknown type")
    if isinstance(parts.image, Refusal):
        return parts.image
    if parts.image is None:
        return Refusal("missing_image", f"members: {sorted(encodable(extension) for extension in parts.extensions)!r}")
    return None


def _facts(parts: Parts, row: int, fields: dict[str, object]) -> SampleRow | Refusal:
    """Takes the columns out of the json fields and keeps what is left as canonical json."""
    found = _caption(parts, fields)
    if isinstance(found, Refusal):
        return found
    text, source = found
    image_sha256 = None if parts.image_offset is None else parts.image_digest.digest()
    uid = _uid(fields, parts.remarks) or _content_uid(parts.image_digest, text)
    url = _taken(fields, "url")
    licence = _taken(fields, "licence")
    licence = _taken(fields, "license") if licence is None else licence
    expected = _taken(fields, "sha256")
    try:
        extra = _ENCODER.encode(fields) if fields else None
    except ValueError:
        return Refusal("malformed_json", "a number is beyond the range of a 64-bit float")
    return SampleRow(
        row, uid, encodable(parts.key), text, source, url, parts.image.width, parts.image.height, parts.image.format,
        image_sha256, parts.image_offset, parts.image_bytes, licence,
        None if None in (expected, image_sha256) else expected.lower() == image_sha256.hex(), ",".join(parts.remarks), extra,
    )  # fmt: skip


def _caption(parts: Parts, fields: dict[str, object]) -> tuple[str, str] | Refusal:
    """The caption and where it is from; takes it out of the json fields where they only repeat it."""
    if parts.text is not None:
        try:
            text = parts.text.removeprefix(BOM).decode("utf-8")
        except UnicodeDecodeError as error:
            refusal = Refusal("invalid_utf8", f"txt is not UTF-8 at byte {error.start} and json has no caption")
            remark = "txt_invalid_utf8"
        else:
            for name in ("caption", "text"):
                if fields.get(name) == text:
                    del fields[name]
            return text, parts.caption_source
    elif "txt" in parts.too_large:
        refusal = Refusal("missing_caption", f"txt of {parts.too_large['txt']} bytes is too large to be read")
        remark = "txt_too_large"
    else:
        refusal = Refusal("missing_caption", "neither txt nor a caption or text in json")
        remark = "txt_missing"
    for name in ("caption", "text"):
        text = _taken(fields, name)
        if text is not None:
            parts.remarks.append(remark)
            return text, "json"
    return refusal


def _uid(fields: dict[str, object], remarks: list[str]) -> bytes | None:
    """The source's uid; a malformed one is remarked and stays among the json fields."""
    digits = fields.get("uid")
    if digits is None:
        return None
    if isinstance(digits, str) and len(digits) == 32:
        try:
            uid = bytes.fromhex(digits)
        except ValueError:
            uid = b""
        # fromhex skips blanks.
        if len(uid) == 16:
            del fields["uid"]
            return uid
    remarks.append("uid_malformed")
    return None


def _content_uid(image_digest: Digest, text: str) -> bytes:
    digest = image_digest.copy()
    digest.update(b"\0" + text.encode("utf-8"))
    return digest.digest()[:16]


def _taken(fields: dict[str, object], name: str) -> str | None:
    """Takes a string out of the fields; anything else stays there."""
    text = fields.get(name)
    if not isinstance(text, str):
        return None
    del fields[name]
    return text


def _without_lone_surrogates(fields: object, remarks: list[str]) -> object:
    written = json.dumps(fields, ensure_ascii=False)
    mended = SURROGATES.sub("\ufffd", written)
    if mended == written:
        return fields
    remarks.append("json_lone_surrogate")
    return _DECODER.decode(mended)


def _is_too_deep(fields: dict[str, object]) -> bool:
    level: list[object] = [fields]
    for _ in range(NESTING_LIMIT):
        level = [
            child
            for branch in level
            for child in (branch.values() if isinstance(branch, dict) else branch)
            if isinstance(child, dict | list)
        ]
    return bool(level)


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not json")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
