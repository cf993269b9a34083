"""How many copies of a picture are found, and how many pairs are no copies, at each perceptual distance.

The truth has a row per sample: `shard` (name of the tar), `member_image`, `uid`, `defect`, `defect_detail` (JSON with a
`kind` where the defect is near_duplicate) and the groups `exact_group`, `near_group` and `same_figure_group`. Pairs within a
near or exact group are copies; other pairs within a same_figure_group count neither way; every other pair is none, the hard
negatives (`uid_a`, `uid_b`) too.
"""

import itertools
import json
import tarfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from accuracy_tables import markdown, share

from curation_assets.algorithms.grouping import components
from curation_assets.algorithms.perceptual_hash import PerceptualHashes, perceptual_hashes
from curation_assets.algorithms.perceptual_pairs import perceptual_pairs
from resources.grey_pictures import grey_picture

KINDS = ("reencode", "resize", "colour", "hflip", "crop", "exact")
GOAL_KINDS = ("reencode", "resize")
GOAL = 0.99
WIDEST = 10
_HEAD = ("re-encode + resize", *KINDS, "all copies", "wrong pairs", "hard", "precision", "without exact")
COLUMNS = ["shard", "member_image", "uid", "defect", "defect_detail", "exact_group", "near_group", "same_figure_group"]

Row = dict[str, str]
Codes = dict[int, int]  # smallest radius at which a pair is found, by left * n + right with left < right


class Judged(NamedTuple):
    """Pairs that are found within WIDEST or should be, arrays of one shape."""

    radius: np.ndarray
    is_copy: np.ndarray
    is_counted: np.ndarray
    kind: np.ndarray
    is_hard: np.ndarray


class Line(NamedTuple):
    """What one radius finds; `found` and `wanted` are by kind, and by "all"."""

    radius: int
    found: dict[str, int]
    wanted: dict[str, int]
    wrong: int
    hard: int

    def recall(self, *kinds: str) -> tuple[int, int]:
        return sum(self.found[kind] for kind in kinds), sum(self.wanted[kind] for kind in kinds)

    @property
    def altered(self) -> int:
        """Found copies that are not equal files."""
        return self.found["all"] - self.found["exact"]

    @property
    def precision(self) -> float:
        """Share of the found pairs that are copies; 1 where none is found."""
        total = self.found["all"] + self.wrong
        return self.found["all"] / total if total else 1.0

    @property
    def meets_goal(self) -> bool:
        found, wanted = self.recall(*GOAL_KINDS)
        return found >= GOAL * wanted and self.precision >= GOAL


def read_pictures(folder: Path) -> tuple[PerceptualHashes, list[Row]]:
    """Perceptual hashes of the samples that can be decoded, and their rows of the truth."""
    truth = pq.read_table(folder / "ground_truth.parquet", columns=COLUMNS).to_pylist()
    by_member = {(row["shard"], row["member_image"]): row for row in truth}
    pictures, rows = [], []
    for path in sorted((folder / "pool").glob("*.tar")):
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
    return perceptual_hashes(np.stack(pictures)), rows


def read_hard_negatives(folder: Path) -> set[frozenset[str]]:
    """Uids of different pictures that look alike."""
    pairs = pq.read_table(folder / "hard_negatives.parquet", columns=["uid_a", "uid_b"]).to_pylist()
    return {frozenset(pair.values()) for pair in pairs}


def distances(hashes: PerceptualHashes) -> Codes:
    """Perceptual distance of every pair within WIDEST."""
    n, found = len(hashes.plain), Codes()
    for pairs in perceptual_pairs(hashes, WIDEST):
        low, high = np.minimum(pairs.left, pairs.right), np.maximum(pairs.left, pairs.right)
        for code, distance in zip((low.astype(np.int64) * n + high).tolist(), pairs.distance.tolist(), strict=True):
            found[code] = min(distance, found.get(code, WIDEST + 1))
    return found


def chained(found: Codes, n: int) -> Codes:
    """The smallest radius at which two pictures are in one group."""
    code, distance = np.array(list(found)), np.array(list(found.values()))
    joined = Codes()
    for radius in range(WIDEST, -1, -1):
        near = code[distance <= radius]
        for pair in _within(components(n, [(near // n, near % n)]).tolist()):
            joined[pair] = radius
    return joined


def judge(found: Codes, rows: list[Row], hard: set[frozenset[str]]) -> Judged:
    """The truth about every pair that is found or is a copy."""
    copies = {pair for column in ("near_group", "exact_group") for pair in _within([row[column] for row in rows])}
    judged = []
    for code in sorted(copies | found.keys()):
        one, other = (rows[at] for at in divmod(code, len(rows)))
        is_twice = one["same_figure_group"] != "" and one["same_figure_group"] == other["same_figure_group"]
        is_hard = frozenset((one["uid"], other["uid"])) in hard
        is_copy = code in copies
        judged.append((found.get(code, WIDEST + 1), is_copy, is_copy or not is_twice, _kind(one, other), is_hard))
    return Judged(*(np.array(column) for column in zip(*judged, strict=True)))


def lines(judged: Judged) -> list[Line]:
    """One line per radius, 0 to WIDEST."""
    of_kind = {kind: judged.is_copy & (judged.kind == kind) for kind in KINDS} | {"all": judged.is_copy}
    wanted = {kind: int(rows.sum()) for kind, rows in of_kind.items()}
    result = []
    for radius in range(WIDEST + 1):
        is_found = (judged.radius <= radius) & judged.is_counted
        found = {kind: int((rows & is_found).sum()) for kind, rows in of_kind.items()}
        is_wrong = is_found & ~judged.is_copy
        result.append(Line(radius, found, wanted, int(is_wrong.sum()), int((is_wrong & judged.is_hard).sum())))
    return result


def goal_line(result: list[Line]) -> str:
    """The sentence of the page that says where the goal is met."""
    goal = f"Goal: recall of re-encoded and resized copies >= {GOAL} at precision >= {GOAL}."
    met = [line for line in result if line.meets_goal]
    if not met:
        return f"{goal} It is met at no radius."
    which = ", ".join(str(line.radius) for line in met)
    best = met[0]
    altered = best.altered
    return (
        f"{goal} It is met at radius {which}: recall {share(*best.recall(*GOAL_KINDS))}, precision "
        f"{share(best.found['all'], best.found['all'] + best.wrong, 4)}; without pairs of equal files the precision there is "
        f"{share(altered, altered + best.wrong, 4)}."
    )


def radius_table(result: list[Line]) -> str:
    """Recall by kind and precision, a row per radius."""
    return markdown(["radius", *_HEAD], [[line.radius, *_cells(line)] for line in result])


def section(folder: Path) -> str:
    """The page's part about pairs of pictures."""
    (hashes, rows), hard = read_pictures(folder), read_hard_negatives(folder)
    n, whole = len(rows), distances(hashes)
    result = lines(judge(whole, rows, hard))
    no_detail, plain_detail = np.zeros_like(hashes.detail), np.tile(hashes.detail[:, :4], 2)
    others = {
        "64 and 256 bits, mirror images too: phash_distance": whole,
        "its whole groups: duplicate_group": chained(whole, n),
        "no mirror images": distances(PerceptualHashes(hashes.plain, hashes.plain, plain_detail)),
        "64 bits only": distances(PerceptualHashes(hashes.plain, hashes.mirrored, no_detail)),
        "64 bits only, no mirror images": distances(PerceptualHashes(hashes.plain, hashes.plain, no_detail)),
    }
    compared = [[name, *_cells(lines(judge(found, rows, hard))[4])] for name, found in others.items()]
    wanted = result[0].wanted
    counted = ", ".join(f"{kind} {wanted[kind]}" for kind in KINDS)
    one_pair = f"{1 / sum(wanted[kind] for kind in GOAL_KINDS):.1%}"
    return f"""{goal_line(result)}

Counted are pairs among the {n:,} pictures that can be decoded, {n * (n - 1) // 2:,} in all. Copies are {wanted["all"]}:
{counted}.
Columns by kind are recall. Every other pair that is found is wrong, except two drawings of one figure, which count neither way;
`hard` are those of the wrong pairs that are among the {len(hard)} known to look alike. `without exact` is the precision when
pairs of equal files are not counted. The radius was chosen on this pool, and one pair is {one_pair} of the recall in the goal:
it is met here and not proven elsewhere.

{radius_table(result)}

The same at radius 4, with parts of the distance left out, and for whole groups, where all members of a group are pairs:

{markdown(["distance", *_HEAD], compared)}

The number of wrong pairs grows with the square of the pool, that of copies need not: a pool of a million pictures has
{round((10**6 / n) ** 2, -4):,.0f} times as many pairs as this one."""


def _cells(line: Line) -> list[str]:
    recalls = [_share(*line.recall(*kinds)) for kinds in (GOAL_KINDS, *((kind,) for kind in KINDS), ("all",))]
    precisions = [_share(right, right + line.wrong, 4) for right in (line.found["all"], line.altered)]
    return [*recalls, str(line.wrong), str(line.hard), *precisions]


def _share(part: int, whole: int, digits: int = 3) -> str:
    return f"{part / whole:.{digits}f}" if whole else "-"


def _kind(one: Row, other: Row) -> str:
    """How a pair of copies was made."""
    if one["exact_group"] and one["exact_group"] == other["exact_group"]:
        return "exact"
    kinds = {json.loads(row["defect_detail"])["kind"] for row in (one, other) if row["defect"] == "near_duplicate"}
    return kinds.pop() if len(kinds) == 1 else "two kinds"


def _within(groups: Sequence[str | int]) -> set[int]:
    """Codes of all pairs of rows in one group; an empty name is none."""
    members = defaultdict(list)
    for row, group in enumerate(groups):
        if group != "":
            members[group].append(row)
    n = len(groups)
    return {left * n + right for rows in members.values() for left, right in itertools.combinations(rows, 2)}
