"""The demo pool: shards in img2dataset form beside a truth table that no program under test may read."""

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation_assets.demo.defects import Sample, draw_sample, plan_defects
from curation_assets.errors import PoolError

TRUTH_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("shard", "key", "uid", "url", "defect", "detail", "of_uid", "caption_of_uid")),
        *((name, pa.string()) for name in ("language", "caption", "true_caption", "scene", "image_sha256")),
        *((name, pa.bool_()) for name in ("is_matching", "is_decodable")),
        *((name, pa.int32()) for name in ("row", "width", "height", "caption_words", "caption_chars")),
    ]
)
_VERSION = 1  # raise when the same arguments draw other bytes
_UNDECODABLE = ("truncated_image", "non_image_bytes", "zero_byte_image", "bomb_header")


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
    plans = [
        plan_defects(seed, shard, arguments["shards"], arguments["samples_per_shard"]) for shard in range(arguments["shards"])
    ]
    for shard in range(arguments["shards"]):
        form = tarfile.PAX_FORMAT if shard % 2 else tarfile.USTAR_FORMAT
        with tarfile.open(draft / "pool" / f"{shard:05d}.tar", "w", format=form) as tar:
            for row in range(arguments["samples_per_shard"]):
                sample = draw_sample(seed, plans, shard, row)
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


def _key(sample: Sample) -> str:
    return f"{sample.shard:05d}{sample.row:04d}"


def _members(sample: Sample) -> Iterator[tuple[str, bytes]]:
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


def _truth(sample: Sample) -> dict[str, str | bool | int | None]:
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
