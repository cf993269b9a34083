"""Which samples of the demo pool get which defect, and how it is planted in them.

A clean sample follows from (seed, shard, row) alone and the plan of defects from (seed, shard): the original of a copy
is drawn again rather than looked up in another tar. Pictures are made in `scenes`, words in `captions`, files in `pool`.
"""

import functools
import hashlib
import io
import struct
import zlib
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from curation_assets.demo import captions, scenes
from curation_assets.errors import PoolError

# Share of the samples that get each defect; the kinds of a defect take turns. A shard of 60 or more has all defects.
DEFECTS: dict[str, tuple[float, tuple[str, ...]]] = {
    "exact_duplicate": (0.03, ("same_caption", "reworded")),
    "near_duplicate": (0.04, scenes.NEAR_DUPLICATE_KINDS),
    "swapped_caption": (0.05, ("",)),
    "foreign_caption": (0.08, captions.LANGUAGES[1:]),
    "too_short_caption": (0.03, captions.SHORT_KINDS),
    "tiny_image": (0.02, ("",)),
    "extreme_aspect": (0.02, ("wide", "tall")),
    "truncated_image": (0.01, ("",)),
    "non_image_bytes": (0.005, ("html", "json", "pdf", "svg", "noise")),
    "zero_byte_image": (0.003, ("",)),
    "bomb_header": (0.002, ("",)),
    "missing_caption": (0.003, ("",)),
    "invalid_utf8_caption": (0.003, ("utf-16", "cp1252")),
    "malformed_json": (0.003, ("",)),
    "duplicate_uid": (0.002, ("",)),
    "sha256_mismatch": (0.003, ("",)),
    "hostile_caption": (0.0, captions.HOSTILE_KINDS),  # each kind once per pool, whatever its size
}
_BODIES = {
    "html": b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>\n",
    "json": b'{"error": "hotlinking is not allowed", "code": 403}\n',
    "pdf": b"%PDF-1.4\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><circle r="9"/></svg>\n',
}
_LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "")
_DOMAINS = ("photos.example.org", "img.example.com", "cdn.example.net", "shop.example.com", "blog.example.org")
Plan = tuple[tuple[str, str], ...]  # defect and kind of every row of a shard


@dataclass(frozen=True)
class Sample:
    """One image-text pair on its way into a tar; `width` and `height` are None where no header can be read."""

    shard: int
    row: int
    uid: str
    url: str
    licence: str
    scene: scenes.Scene
    image: bytes
    extension: str
    width: int | None
    height: int | None
    caption: str | None
    true_caption: str
    language: str = "en"
    text: bytes | None = None  # of the .txt, where it is not the caption in UTF-8
    defect: str = ""
    detail: dict[str, str | float] = field(default_factory=dict)
    of_uid: str = ""
    caption_of_uid: str = ""


def plan_defects(seed: int, shard: int, shards: int, samples: int) -> Plan:
    """What is planted where; nothing in the first tenth of a shard, so that every copy has an earlier original."""
    planted = []
    for place, (defect, (share, kinds)) in enumerate(DEFECTS.items()):
        count = max(round(share * samples), int(samples >= 60))
        turns = range(shard + place, shard + place + count)
        if defect == "hostile_caption":
            turns = range(shard, len(kinds) if samples >= 60 else 0, shards)
        planted += [(defect, kinds[turn % len(kinds)]) for turn in turns]
    rows = np.random.default_rng([seed, shard, 0, 1]).permutation(np.arange(max(1, samples // 10), samples))
    plan = [("", "")] * samples
    for row, fault in zip(rows, planted, strict=False):
        plan[row] = fault
    return tuple(plan)


def draw_sample(seed: int, plans: list[Plan], shard: int, row: int) -> Sample:
    """One sample with the defect that the plan of its shard has for its row; `plans` has a plan per shard."""
    sample = _clean_sample(seed, shard, row)
    defect, kind = plans[shard][row]
    if not defect:
        return sample
    rng = np.random.default_rng([seed, shard, row, 4])
    if defect in ("exact_duplicate", "near_duplicate"):
        of_shard = shard if rng.random() < 0.5 else int(rng.integers(shard + 1))
        earlier = plans[shard][:row] if of_shard == shard else plans[of_shard]
        sample = _copied(sample, _clean_sample(seed, of_shard, int(rng.choice(_clean_rows(earlier)))), kind, rng)
    elif defect == "duplicate_uid":
        uid = _uid(seed, shard, int(rng.choice(_clean_rows(plans[shard][:row]))))
        sample = replace(sample, uid=uid, of_uid=uid)
    elif defect == "swapped_caption":
        sample = _swapped(sample, seed, [int(other) for other in rng.permutation(_clean_rows(plans[shard]))])
    else:
        sample = _reimaged(_recaptioned(sample, defect, kind, rng), defect, kind, rng)
    return replace(sample, defect=defect, detail={**({"kind": kind} if kind else {}), **sample.detail})


def _clean_rows(plan: Plan) -> list[int]:
    return [row for row, (defect, _) in enumerate(plan) if not defect]


def _uid(seed: int, shard: int, row: int) -> str:
    return hashlib.blake2b(f"{shard}/{row}".encode(), key=f"demo pool {seed}".encode(), digest_size=16).hexdigest()


@functools.lru_cache(maxsize=10_000)
def _words(seed: int, shard: int, row: int) -> tuple[scenes.Scene, str]:
    rng = np.random.default_rng([seed, shard, row, 2])
    scene = scenes.random_scene(rng)
    return scene, captions.describe(scene, "en", rng)


def _clean_sample(seed: int, shard: int, row: int) -> Sample:
    scene, caption = _words(seed, shard, row)
    rng = np.random.default_rng([seed, shard, row, 3])
    width, height = scenes.picture_size(scene, rng)
    extension = ("jpg", "png", "webp")[int(rng.choice(3, p=[0.84, 0.08, 0.08]))]
    image = scenes.encoded(scenes.draw_scene(scene, width, height, rng), extension, int(rng.integers(70, 96)))
    uid = _uid(seed, shard, row)
    url = f"https://{_DOMAINS[rng.integers(len(_DOMAINS))]}/{uid[:2]}/{uid[2:16]}.{extension}"
    licence = _LICENCES[rng.integers(len(_LICENCES))]
    return Sample(shard, row, uid, url, licence, scene, image, extension, width, height, caption, caption)


def _copied(sample: Sample, of: Sample, kind: str, rng: np.random.Generator) -> Sample:
    """The sample with the picture of another one: the same bytes, or an altered picture."""
    copy = replace(sample, scene=of.scene, image=of.image, extension=of.extension, width=of.width, height=of.height)
    caption, detail = of.caption, {}
    if kind in scenes.NEAR_DUPLICATE_KINDS:
        picture, detail = scenes.altered(Image.open(io.BytesIO(of.image)).convert("RGB"), kind, rng)
        quality = int(rng.integers(25, 45)) if kind == "reencode" else int(rng.integers(75, 93))
        copy = replace(_pictured(copy, picture, quality), scene=captions.mirrored(of.scene) if kind == "hflip" else of.scene)
        detail = {**detail, "quality": quality}
    if kind != "same_caption":
        caption = captions.describe(copy.scene, "en", rng)
    return replace(copy, caption=caption, true_caption=caption, of_uid=of.uid, detail=detail)


def _pictured(sample: Sample, picture: Image.Image, quality: int = 85) -> Sample:
    image = scenes.encoded(picture, "jpg", quality)
    return replace(sample, image=image, extension="jpg", width=picture.width, height=picture.height)


def _swapped(sample: Sample, seed: int, others: list[int]) -> Sample:
    for other in others:
        scene, caption = _words(seed, sample.shard, other)
        if captions.is_clearly_other(sample.scene, scene):
            return replace(sample, caption=caption, caption_of_uid=_uid(seed, sample.shard, other))
    raise PoolError(
        f"shard {sample.shard:05d} of seed {seed}: none of its {len(others)} clean captions is clearly wrong for row "
        f"{sample.row}; ask for more samples_per_shard or another seed"
    )


def _recaptioned(sample: Sample, defect: str, kind: str, rng: np.random.Generator) -> Sample:
    match defect:
        case "foreign_caption":
            return replace(sample, language=kind, caption=captions.describe(sample.scene, kind, rng))
        case "hostile_caption":
            return replace(sample, caption=captions.hostile_caption(kind, sample.true_caption))
        case "too_short_caption":
            language = "en" if kind == "first_word" else "zxx"
            return replace(sample, language=language, caption=captions.short_caption(kind, sample.true_caption, rng))
        case "missing_caption":
            return replace(sample, caption=None)
        case "invalid_utf8_caption":
            # The quotation marks of cp1252 and the byte order mark of UTF-16 begin no UTF-8 character.
            marked = f"\ufeff{sample.caption}" if kind == "utf-16" else f"“{sample.caption}”"
            return replace(sample, caption=None, text=marked.encode("utf-16-le" if kind == "utf-16" else kind))
    return sample


def _reimaged(sample: Sample, defect: str, kind: str, rng: np.random.Generator) -> Sample:
    match defect:
        case "tiny_image":
            picture = Image.open(io.BytesIO(sample.image)).convert("RGB")
            longest_px = int(rng.integers(6, 21))
            picture.thumbnail((longest_px, longest_px))
            return _pictured(sample, picture)
        case "extreme_aspect":
            short_px = int(rng.integers(64, 81))
            size = int(short_px * rng.uniform(5.1, 7)), short_px
            return _pictured(sample, scenes.draw_scene(sample.scene, *size[:: 1 if kind == "wide" else -1], rng))
        case "truncated_image":
            whole = _pictured(sample, Image.open(io.BytesIO(sample.image)).convert("RGB"))
            share = round(float(rng.uniform(0.5, 0.85)), 3)
            return replace(whole, image=whole.image[: int(share * len(whole.image))], detail={"share": share})
        case "bomb_header":
            return replace(sample, image=_bomb_png(60_000), extension="png", width=60_000, height=60_000)
        case "zero_byte_image" | "non_image_bytes":
            noise = b"" if defect == "zero_byte_image" else rng.bytes(2_000)
            return replace(sample, image=_BODIES.get(kind, noise), width=None, height=None)
    return sample


def _bomb_png(side_px: int) -> bytes:
    """A PNG of a few hundred bytes whose header claims a square of the given side."""
    png = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    for chunk in (b"IHDR" + header, b"IDAT" + zlib.compress(bytes(200_000)), b"IEND"):
        png += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png
