"""How many copies of a picture are found, and how many pairs are no copies, at each perceptual distance.

    python docs/accuracy.py POOL GROUND_TRUTH.parquet [--hard HARD_NEGATIVES.parquet]

POOL is a folder of WebDataset tars. The truth has a row per sample: `shard` (name of the tar), `member_image`, `uid`,
`defect`, `defect_detail` (JSON with a `kind` where the defect is near_duplicate) and the groups `exact_group`, `near_group`
and `same_figure_group`. Pairs within a near or exact group are copies; other pairs within a same_figure_group count neither
way; every other pair is none, those of HARD_NEGATIVES (`uid_a`, `uid_b`) too. Prints Markdown tables.
"""

import argparse
import json
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from curation_assets.algorithms.grouping import components
from curation_assets.algorithms.perceptual_hash import PerceptualHashes, perceptual_hashes
from curation_assets.algorithms.perceptual_pairs import perceptual_pairs
from resources.grey_pictures import grey_picture

KINDS = ("reencode", "resize", "colour", "hflip", "crop", "exact")
WIDEST = 12


class Truth(NamedTuple):
    """What all pairs of n pictures are: bool or text of shape (n, n)."""

    is_copy: np.ndarray
    is_counted: np.ndarray
    kind: np.ndarray
    is_hard: np.ndarray


def read(pool: Path, truth: list[dict[str, str]]) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Grey pictures of the samples that can be decoded, and their rows of the truth."""
    by_member = {(row["shard"], row["member_image"]): row for row in truth}
    pictures, rows = [], []
    for path in sorted(pool.glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                row = by_member.get((path.name, member.name))
                file = archive.extractfile(member) if row else None
                if file is None:
                    continue
                try:
                    pictures.append(grey_picture(file.read()))
                except Exception:  # damaged on purpose; Pillow raises some ten types
                    continue
                rows.append(row)
    return np.stack(pictures), rows


def judged(rows: list[dict[str, str]], hard: list[tuple[str, str]]) -> Truth:
    """The truth about every pair."""

    def same(column: str) -> np.ndarray:
        values = np.array([row[column] or "" for row in rows])
        return (values[:, None] == values) & (values != "")

    own = np.array([json.loads(r["defect_detail"])["kind"] if r["defect"] == "near_duplicate" else "" for r in rows])
    kind = np.where(own[:, None] != "", own[:, None], own)
    kind = np.where((own[:, None] != "") & (own != "") & (own[:, None] != own), "two kinds", kind)
    kind = np.where(same("exact_group"), "exact", kind)
    is_copy = same("near_group") | same("exact_group")
    uid = np.array([row["uid"] for row in rows])
    is_hard = np.zeros_like(is_copy)
    for one, other in hard:
        at = np.ix_(uid == one, uid == other)
        is_hard[at] = True
    return Truth(is_copy, is_copy | ~same("same_figure_group"), kind, is_hard | is_hard.T)


def distances(hashes: PerceptualHashes) -> np.ndarray:
    """Perceptual distance of every pair, WIDEST + 1 beyond WIDEST."""
    apart = np.full((len(hashes.plain),) * 2, WIDEST + 1)
    for pairs in perceptual_pairs(hashes, WIDEST):
        np.minimum.at(apart, (pairs.left, pairs.right), pairs.distance)
    return np.minimum(apart, apart.T)


def table(apart: np.ndarray, truth: Truth) -> list[str]:
    """One line per radius."""
    upper = np.triu(np.ones_like(truth.is_copy), 1)
    lines = ["| radius | re-encode + resize | " + " | ".join(KINDS) + " | all copies | wrong pairs | hard | precision |"]
    lines.append("|" + "---:|" * (len(KINDS) + 6))
    for radius in range(WIDEST + 1):
        is_found = (apart <= radius) & upper & truth.is_counted
        hits = int((is_found & truth.is_copy).sum())
        wrong = int((is_found & ~truth.is_copy).sum())

        def recall(*kinds: str, is_found: np.ndarray = is_found) -> str:
            wanted = truth.is_copy & upper & (np.isin(truth.kind, kinds) if kinds else True)
            return f"{(is_found & wanted).sum() / wanted.sum():.3f}" if wanted.any() else "-"

        cells = [str(radius), recall("reencode", "resize"), *map(recall, KINDS), recall(), str(wrong)]
        cells += [str(int((is_found & truth.is_hard).sum())), f"{hits / (hits + wrong):.4f}" if hits + wrong else "-"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def chained(apart: np.ndarray) -> np.ndarray:
    """The smallest radius at which two pictures are in one group."""
    joined = np.full_like(apart, WIDEST + 1)
    for radius in range(WIDEST, -1, -1):
        root = components(len(apart), [np.nonzero(apart <= radius)])
        joined[root[:, None] == root] = radius
    return joined


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--hard", type=Path)
    arguments = parser.parse_args()
    columns = ["shard", "member_image", "uid", "defect", "defect_detail", "exact_group", "near_group", "same_figure_group"]
    pictures, rows = read(arguments.pool, pq.read_table(arguments.truth, columns=columns).to_pylist())
    pairs = pq.read_table(arguments.hard, columns=["uid_a", "uid_b"]).to_pylist() if arguments.hard else []
    truth = judged(rows, [(pair["uid_a"], pair["uid_b"]) for pair in pairs])
    hashes = perceptual_hashes(pictures)
    no_detail = np.zeros_like(hashes.detail)
    plain_detail = np.tile(hashes.detail[:, :4], 2)
    whole = distances(hashes)
    for title, apart in (
        ("64 and 256 bits, mirror images too", whole),
        ("64 and 256 bits, no mirror images", distances(PerceptualHashes(hashes.plain, hashes.plain, plain_detail))),
        ("64 bits, mirror images too", distances(PerceptualHashes(hashes.plain, hashes.mirrored, no_detail))),
        ("64 bits, no mirror images", distances(PerceptualHashes(hashes.plain, hashes.plain, no_detail))),
        ("64 and 256 bits, mirror images too, whole groups (duplicate_group)", chained(whole)),
    ):
        upper = np.triu(truth.is_copy, 1)
        print(f"\n### {title}\n\n{len(rows):,} pictures, {int(upper.sum())} pairs of copies, {len(pairs)} hard negatives.\n")
        print("\n".join(table(apart, truth)))


if __name__ == "__main__":
    main()
