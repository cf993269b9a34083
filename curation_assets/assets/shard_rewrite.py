"""Takes what was taken down out of the pool's own tars, where their owner asks for it."""

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from curation_assets.audit.near_pictures import WORDS
from curation_assets.audit.partition_cut import takedown_reason
from curation_assets.audit.receipts import read_receipts
from curation_assets.audit.refusal import without_refused
from curation_assets.audit.tombstones import read_tombstones
from curation_assets.errors import ArgumentError
from curation_assets.holdings.project import Project
from curation_assets.holdings.shards import shard_files, stored_path
from resources.shard_rewrite import RewrittenShard, remove_members
from resources.webdataset import read_shard


def require_tars(project: Project) -> None:
    """Raises unless the pool's shards are tars.

    Raises:
        ArgumentError: they are not; only tars are rewritten.
    """
    if not project.recipe.file.pool.is_tars:
        form = project.recipe.file.pool.format
        raise ArgumentError(
            f"--rewrite-shards asks for a pool of tars; this one has the format {form}: delete its files yourself"
        )


def rewrite_shards(project: Project, tickets: Collection[str], report: Callable[[str], None]) -> list[RewrittenShard]:
    """Remove refused samples from the tars that receipts of these tickets name; a tar without any stays as it is.

    What is removed is found by reading each tar again and asking the tombstones, so it may be interrupted and repeated. Other
    copies of a tar are not touched. A rewritten shard is out of date, and read again by the next apply.
    """
    tombstones, pool = read_tombstones(project.lake), project.recipe.file.pool
    named = {
        str(place[0])
        for one in read_receipts(Path(project.lake.root))
        if one.body.get("ticket") in tickets
        for place in one.body.get("places", [])
    }
    rewritten = []
    for path in shard_files(project.recipe).values():
        if tombstones is None or stored_path(project.recipe, path) not in named:
            continue
        contents = read_shard(path, max_image_pixels=pool.max_image_pixels, verify=pool.verify)
        n = len(contents.kept["row"])
        nothing = np.zeros((n, WORDS), np.int64), np.zeros(n, bool)
        # What is refused is among the rejected then, and so are its copies, which the pool never had.
        rejected = without_refused(contents, tombstones, lambda nothing=nothing: nothing).rejected
        found = zip(rejected["reason"], rejected["offset_bytes"], strict=True)
        gone = [
            int(str(offset)) for reason, offset in found if str(reason).startswith(takedown_reason("")) and offset is not None
        ]
        if gone:
            rewritten.append(remove_members(path, gone))
            report(f"removed {rewritten[-1].samples:,} samples from {path}")
    return rewritten
