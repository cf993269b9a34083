"""The demo pool: shards in img2dataset form, planted defects, and a truth table that no program under test may read.

A clean sample follows from (seed, shard, row) alone and the plan of defects from (seed, shard): the original of a copy
is drawn again rather than looked up in another tar. Pictures are made in `scenes`, words in `captions`.
"""

import functools
import hashlib
import io
import json
import os
import shutil
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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
TRUTH_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("shard", "key", "uid", "url", "defect", "detail", "of_uid", "caption_of_uid")),
        *((name, pa.string()) for name in ("language", "caption", "true_caption", "scene", "image_sha256")),
        *((name, pa.bool_()) for name in ("is_matching", "is_decodable")),
        *((name, pa.int32()) for name in ("row", "width", "height", "caption_words", "caption_chars")),
    ]
)
_VERSION = 1  # raise when the same arguments draw other bytes
_BODIES = {
    "html": b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>\n",
    "json": b'{"error": "hotlinking is not allowed", "code": 403}\n',
    "pdf": b"%PDF-1.4\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><circle r="9"/></svg>\n',
}
_UNDECODABLE = ("truncated_image", "non_image_bytes", "zero_byte_image", "bomb_header")
_LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "")
_DOMAINS = ("photos.example.org", "img.example.com", "cdn.example.net", "shop.example.com", "blog.example.org")
_Plan = tuple[tuple[str, str], ...]  # defect and kind of every row of a shard


@dataclass(frozen=True)
class _Sample:
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


def generate_pool(folder: Path, *, shards: int = 4, samples_per_shard: int = 1000, seed: int = 0) -> pa.Table:
    """Draw pool/00000.tar ... and truth.parquet into a folder; a complete pool of the same arguments is left untouched.

    All tars appear at once, by one rename: a killed run leaves only `.pool-unfinished`, which the next run discards.
    Files deleted from a complete pool are drawn again, files added to it are left alone. One run per folder at a time.
    4,000 samples take 16 s and 39 MB (one core of an AMD EPYC, November 2026).

    Args:
        folder: created when missing; holds the pool, and beside it the truth.
        shards: tars to write, 1 to 99,999; odd ones are PAX, even ones USTAR.
        samples_per_shard: 1 to 10,000; under 60 the rare defects are left out.
        seed: 0 or more; the same arguments give the same bytes with the same Pillow and numpy.

    Returns:
        One row per sample in the columns of TRUTH_SCHEMA, keyed by (shard, key).

    Raises:
        PoolError: an argument is out of range, or the folder holds a pool that is not exactly this one.
    """
    for name, value, low, high in (
        ("shards", shards, 1, 99_999),
        ("samples_per_shard", samples_per_shard, 1, 10_000),
        ("seed", seed, 0, 2**32 - 1),
    ):
        if not low <= value <= high:
            raise PoolError(f"a demo pool needs {name} from {low} to {high}; got {value}")
    arguments = {"shards": shards, "samples_per_shard": samples_per_shard, "seed": seed, "version": _VERSION}
    recorded = _recorded_sha256(folder, arguments)
    if recorded and all((folder / name).exists() for name in recorded):
        return read_truth(folder)
    draft = folder / ".pool-unfinished"
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "pool").mkdir(parents=True)
    _write_draft(draft, arguments)
    _publish(draft, folder, arguments, recorded)
    return read_truth(folder)


def read_truth(folder: Path) -> pa.Table:
    """The truth table that `generate_pool` wrote beside the pool; for scoring a curation, never for making one."""
    if not (folder / "truth.parquet").exists():
        raise PoolError(f"no truth.parquet in {folder}: it holds no demo pool; draw one with generate_pool")
    return pq.read_table(folder / "truth.parquet", schema=TRUTH_SCHEMA)


def _recorded_sha256(folder: Path, arguments: dict[str, int]) -> dict[str, str]:
    """sha256 by file of the pool in the folder, empty when there is none; it must be the pool that is asked for."""
    advice = "nothing was overwritten: choose another folder or move that away"
    marker = folder / "pool" / ".demo.json"
    if not marker.exists():
        foreign = [path for path in (folder / "pool", folder / "truth.parquet") if _holds_something(path)]
        if foreign:
            raise PoolError(f"{foreign[0]} exists, but not {marker}: it is no complete demo pool; {advice}")
        return {}
    try:
        found = json.loads(marker.read_text())
        sha256, drawn_with = dict(found["sha256"]), dict(found["arguments"])
    except (ValueError, KeyError, TypeError) as fault:
        raise PoolError(f"{marker} cannot be read ({fault!r}); {advice}") from fault
    if drawn_with != arguments:
        raise PoolError(f"{folder / 'pool'} was drawn with {drawn_with}, asked for is {arguments}; {advice}")
    changed = [name for name in sha256 if (folder / name).exists() and _file_sha256(folder / name) != sha256[name]]
    if changed:
        raise PoolError(f"changed since they were drawn in {folder}: {changed}; {advice}")
    return sha256


def _holds_something(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _write_draft(draft: Path, arguments: dict[str, int]) -> None:
    seed, rows = arguments["seed"], []
    plans = [_plan(seed, shard, arguments["shards"], arguments["samples_per_shard"]) for shard in range(arguments["shards"])]
    for shard in range(arguments["shards"]):
        form = tarfile.PAX_FORMAT if shard % 2 else tarfile.USTAR_FORMAT
        with tarfile.open(draft / "pool" / f"{shard:05d}.tar", "w", format=form) as tar:
            for row in range(arguments["samples_per_shard"]):
                sample = _sample(seed, plans, shard, row)
                for name, content in _members(sample):
                    member = tarfile.TarInfo(name)
                    # Half seconds only fit an extended header, so every member of an odd shard has one.
                    member.size, member.mtime = len(content), 1_700_000_000 + 0.5 * (shard % 2)
                    tar.addfile(member, io.BytesIO(content))
                rows.append(_truth(sample))
    pq.write_table(pa.Table.from_pylist(rows, schema=TRUTH_SCHEMA), draft / "truth.parquet")


def _publish(draft: Path, folder: Path, arguments: dict[str, int], recorded: dict[str, str]) -> None:
    """Rename a finished draft into place: all of it, or what is missing of a pool that was complete before."""
    names = [*(f"pool/{path.name}" for path in sorted((draft / "pool").iterdir())), "truth.parquet"]
    sha256 = {name: _file_sha256(draft / name) for name in names}
    if recorded and sha256 != recorded:
        shutil.rmtree(draft)
        found = "these libraries draw other bytes than those recorded in its .demo.json"
        raise PoolError(f"files are missing from {folder} and are drawn otherwise here: {found}; delete its pool/ first")
    if not recorded:
        (draft / "pool" / ".demo.json").write_text(json.dumps({"arguments": arguments, "sha256": sha256}, indent=1))
        os.replace(draft / "pool", folder / "pool")
    for name in names:
        if not (folder / name).exists():
            os.replace(draft / name, folder / name)
    shutil.rmtree(draft)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plan(seed: int, shard: int, shards: int, samples: int) -> _Plan:
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


def _sample(seed: int, plans: list[_Plan], shard: int, row: int) -> _Sample:
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


def _clean_rows(plan: _Plan) -> list[int]:
    return [row for row, (defect, _) in enumerate(plan) if not defect]


def _uid(seed: int, shard: int, row: int) -> str:
    return hashlib.blake2b(f"{shard}/{row}".encode(), key=f"demo pool {seed}".encode(), digest_size=16).hexdigest()


@functools.lru_cache(maxsize=10_000)
def _words(seed: int, shard: int, row: int) -> tuple[scenes.Scene, str]:
    rng = np.random.default_rng([seed, shard, row, 2])
    scene = scenes.random_scene(rng)
    return scene, captions.describe(scene, "en", rng)


def _clean_sample(seed: int, shard: int, row: int) -> _Sample:
    scene, caption = _words(seed, shard, row)
    rng = np.random.default_rng([seed, shard, row, 3])
    width, height = scenes.picture_size(scene, rng)
    extension = ("jpg", "png", "webp")[int(rng.choice(3, p=[0.84, 0.08, 0.08]))]
    image = scenes.encoded(scenes.draw_scene(scene, width, height, rng), extension, int(rng.integers(70, 96)))
    uid = _uid(seed, shard, row)
    url = f"https://{_DOMAINS[rng.integers(len(_DOMAINS))]}/{uid[:2]}/{uid[2:16]}.{extension}"
    licence = _LICENCES[rng.integers(len(_LICENCES))]
    return _Sample(shard, row, uid, url, licence, scene, image, extension, width, height, caption, caption)


def _copied(sample: _Sample, of: _Sample, kind: str, rng: np.random.Generator) -> _Sample:
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


def _pictured(sample: _Sample, picture: Image.Image, quality: int = 85) -> _Sample:
    image = scenes.encoded(picture, "jpg", quality)
    return replace(sample, image=image, extension="jpg", width=picture.width, height=picture.height)


def _swapped(sample: _Sample, seed: int, others: list[int]) -> _Sample:
    for other in others:
        scene, caption = _words(seed, sample.shard, other)
        if captions.is_clearly_other(sample.scene, scene):
            return replace(sample, caption=caption, caption_of_uid=_uid(seed, sample.shard, other))
    raise PoolError(
        f"shard {sample.shard:05d} of seed {seed}: none of its {len(others)} clean captions is clearly wrong for row "
        f"{sample.row}; ask for more samples_per_shard or another seed"
    )


def _recaptioned(sample: _Sample, defect: str, kind: str, rng: np.random.Generator) -> _Sample:
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


def _reimaged(sample: _Sample, defect: str, kind: str, rng: np.random.Generator) -> _Sample:
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


def _key(sample: _Sample) -> str:
    return f"{sample.shard:05d}{sample.row:04d}"


def _members(sample: _Sample) -> Iterator[tuple[str, bytes]]:
    key, text = _key(sample), sample.text
    if text is None and sample.caption is not None:
        text = sample.caption.encode()
    salt = b"another file" if sample.defect == "sha256_mismatch" else b""
    metadata = {
        **{"uid": sample.uid, "url": sample.url, "caption": sample.caption, "key": key},
        **{"status": "success", "error_message": None, "width": sample.width, "height": sample.height},
        **{"original_width": sample.width, "original_height": sample.height, "exif": "{}"},
        **{"sha256": hashlib.sha256(salt + sample.image).hexdigest(), "licence": sample.licence, "source": "demo pool"},
    }
    if sample.caption is None:
        del metadata["caption"]
    content = json.dumps(metadata, ensure_ascii=False).encode()
    yield f"{key}.{sample.extension}", sample.image
    yield f"{key}.json", content[: len(content) // 2] if sample.defect == "malformed_json" else content
    if text is not None:
        yield f"{key}.txt", text


def _truth(sample: _Sample) -> dict[str, str | bool | int | None]:
    columns = (
        "uid",
        "url",
        "defect",
        "of_uid",
        "caption_of_uid",
        "language",
        "caption",
        "true_caption",
        "width",
        "height",
    )
    objects = ", ".join(f"{'large' if item.is_large else 'small'} {item.colour} {item.shape}" for item in sample.scene.objects)
    return {
        **{name: getattr(sample, name) for name in (*columns, "row")},
        **{"shard": f"{sample.shard:05d}", "key": _key(sample), "detail": json.dumps(sample.detail)},
        **{"scene": f"{sample.scene.relation}: {objects}; {sample.scene.background}"},
        "image_sha256": hashlib.sha256(sample.image).hexdigest(),
        "is_matching": sample.defect != "swapped_caption",
        "is_decodable": sample.defect not in _UNDECODABLE,
        "caption_words": len((sample.caption or "").split()),
        "caption_chars": len(sample.caption or ""),
    }
