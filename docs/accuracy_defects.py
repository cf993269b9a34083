"""Planted defects, filters against the truth, and copies by rows: tables from a run of the pipeline."""

import json
from collections import Counter, defaultdict

import numpy as np
from accuracy_pipeline import RADII, RADIUS, Curated
from accuracy_tables import markdown, share

from curation_assets.algorithms.grouping import components

# What ingest must say of a broken image, by defect.
REASONS = {
    "truncated_image": "truncated_image",
    "non_image_bytes": "not_an_image",
    "zero_byte_image": "zero_bytes",
    "bomb_header": "image_bomb",
}
_DROPPED = {
    "too_short_caption": "caption_length",
    "tiny_image": "image_size",
    "extreme_aspect": "image_size",
    "foreign_caption": "english_caption",
}
_REMARKED = {"invalid_utf8_caption": "txt_invalid_utf8", "missing_txt": "txt_missing"}


def rejects(run: Curated) -> dict[str, tuple[int, int, int]]:
    """By defect of broken images: rows, rows rejected with the right reason, all rows rejected with that reason."""
    result = {}
    for defect, reason in REASONS.items():
        planted = [place for place, row in run.truth.items() if row["defect"] == defect]
        right = sum(run.rejected.get(place) == reason for place in planted)
        result[defect] = (len(planted), right, sum(found == reason for found in run.rejected.values()))
    return result


def copies(dropped: np.ndarray, group: list) -> tuple[int, int]:
    """Rows that are rightly dropped of groups of which one row is to stay, and rows that should be; None is in no group."""
    size, gone = Counter(group), Counter(name for name, is_gone in zip(group, dropped, strict=True) if is_gone)
    named = [name for name in size if name is not None]
    return sum(min(gone[name], size[name] - 1) for name in named), sum(size[name] - 1 for name in named)


def defect_table(run: Curated) -> str:
    """Planted defects, what catches them, and the share that is caught."""
    rows = [[defect, f"rejected: {REASONS[defect]}", n, share(right, n)] for defect, (n, right, _) in rejects(run).items()]
    defects = [row["defect"] for row in run.rows]
    for defect, subset in _DROPPED.items():
        is_planted = np.array([one == defect for one in defects])
        caught = int((is_planted & run.dropped(subset)).sum())
        rows.append([defect, f"dropped: {subset}", int(is_planted.sum()), share(caught, int(is_planted.sum()))])
    rows += [*_remark_rows(run, defects), *_copy_rows(run), *_uid_row(run)]
    missing = Counter(row["defect"] for row in run.truth.values())
    rows += [[name, "needs an image-text encoder", missing[name], "-"] for name in ("swapped_caption", *_LEAKS)]
    return markdown(["defect", "caught as", "rows", "recall"], rows, texts=2)


_LEAKS = ("target_leak_exact", "target_leak_near")


def filter_table(run: Curated) -> str:
    """Every filter alone over all accepted rows, against what is true of them."""
    rows = run.rows
    is_broken = {place for place, row in run.truth.items() if not row["image_decodable"]}
    rejected = {place for place, reason in run.rejected.items() if reason in REASONS.values()}
    right = len(is_broken & rejected)
    cells = [["rejected for the image", "image cannot be decoded", share(right, len(rejected)), share(right, len(is_broken))]]
    rules = {
        "caption_length": ("words < 3 or characters < 6", [r["caption_words"] < 3 or r["caption_chars"] < 6 for r in rows]),
        "image_size": ("side < 200 px or longer than 3:1", [_is_bad_size(r) for r in rows]),
        "english_caption": ("language is not en; none (zxx) not judged", [r["caption_lang"] != "en" for r in rows]),
    }
    for subset, (meaning, wanted) in rules.items():
        is_judged = np.array([subset != "english_caption" or r["caption_lang"] != "zxx" for r in rows])
        is_wanted, is_dropped = np.array(wanted) & is_judged, run.dropped(subset) & is_judged
        both = int((is_wanted & is_dropped).sum())
        cells.append([subset, meaning, share(both, int(is_dropped.sum())), share(both, int(is_wanted.sum()))])
    return markdown(["filter", "should drop", "precision", "recall"], cells, texts=2)


def exact_table(run: Curated) -> str:
    """Exact duplicates by file and by address, and blocked words."""
    rows, dropped = run.rows, run.dropped("image_copies")
    right, wanted = copies(dropped, [row["exact_group"] or None for row in rows])
    cells = [["image_copies", "all but one of equal files", share(right, int(dropped.sum())), share(right, wanted)]]
    n = int(run.dropped("url_copies").sum())
    cells.append(["url_copies", "all but one of equal addresses; the pool has none", share(0, n), "-"])
    is_hit = np.array([bool(row["ldnoobw_hits"]) for row in rows])
    is_english = np.array([row["caption_lang"] == "en" for row in rows])
    for subset, meaning, wanted_rows in (
        ("blocked_words_english", "a word of the English list, whatever the language", is_hit),
        ("blocked_words_own", "a word of the English list, English captions only", is_hit & is_english),
    ):
        is_dropped = run.dropped(subset)
        both = int((is_dropped & wanted_rows).sum())
        cells.append([subset, meaning, share(both, int(is_dropped.sum())), share(both, int(wanted_rows.sum()))])
    return markdown(["filter", "should drop", "precision", "recall"], cells, texts=2)


def radius_rows(run: Curated) -> str:
    """What phash_distance drops at each radius, and duplicate_rank at its own, by rows."""
    near = _judged(run, "phash_distance", "phash_twin")
    cells = [[radius, *_row_cells(run.dropped(f"phash_distance_{radius}"), *near)] for radius in RADII]
    chained = _row_cells(run.dropped("duplicate_rank"), *_judged(run, "duplicate_group", "duplicate_survivor"))
    head = ["radius", "dropped", "rightly", "wrongly", "not judged", "precision", "recall"]
    return markdown(head, [*cells, [f"{RADIUS}, duplicate_rank", *chained]])


def _judged(run: Curated, score: str, other: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Whether each row and the one for which it would go are copies, or drawings of one figure; rows that should go."""
    group, figure = _groups(run.rows), [row["same_figure_group"] or None for row in run.rows]
    named, at_uid = _named(run, score, other), defaultdict(list)
    for at, row in enumerate(run.rows):
        at_uid[row["uid"]].append(at)

    def same(names: list) -> np.ndarray:
        pairs = ((names[at], [names[one] for one in at_uid[uid] if one != at]) for at, uid in enumerate(named))
        return np.array([own is not None and own in others for own, others in pairs])

    return same(group), same(figure), copies(np.zeros(len(group), bool), group)[1]


def _row_cells(dropped: np.ndarray, is_copy: np.ndarray, is_figure: np.ndarray, wanted: int) -> list[object]:
    neither = int((dropped & is_figure & ~is_copy).sum())
    right, total = int((dropped & is_copy).sum()), int(dropped.sum())
    wrong = total - right - neither
    return [total, right, wrong, neither, share(right, right + wrong), share(right, wanted)]


def _named(run: Curated, score: str, column: str) -> list[str]:
    """Uids that a score names, as hexadecimal text."""
    halves = (run.column(("scores", score), f"{column}_{half}") for half in ("hi", "lo"))
    return [f"{hi % 2**64:016x}{lo % 2**64:016x}" for hi, lo in zip(*halves, strict=True)]


def _groups(rows: list[dict]) -> list:
    """Group of copies of each row, of equal or of altered files; None is in none."""
    edges = []
    for column in ("exact_group", "near_group"):
        members = defaultdict(list)
        for at, row in enumerate(rows):
            if row[column]:
                members[row[column]].append(at)
        edges += [(np.array(found[:-1]), np.array(found[1:])) for found in members.values() if len(found) > 1]
    root = components(len(rows), edges).tolist()
    size = Counter(root)
    return [one if size[one] > 1 else None for one in root]


def _is_bad_size(row: dict) -> bool:
    shorter, longer = sorted((row["width"], row["height"]))
    return shorter < 200 or longer > 3 * shorter


def _remark_rows(run: Curated, defects: list[str]) -> list[list[object]]:
    remarks, text = run.column(("raw_pool",), "remarks"), run.column(("raw_pool",), "text")
    is_equal = run.column(("raw_pool",), "is_sha256_matching")
    cells = []
    for defect, remark in _REMARKED.items():
        planted = [at for at, one in enumerate(defects) if one == defect]
        caught = sum(remarks[at] == remark and text[at] == run.rows[at]["caption"] for at in planted)
        cells.append([defect, f"caption read from the json, remark {remark}", len(planted), share(caught, len(planted))])
    planted = [at for at, one in enumerate(defects) if one == "sha256_mismatch"]
    caught = sum(is_equal[at] is False for at in planted)
    return [*cells, ["sha256_mismatch", "kept, is_sha256_matching is false", len(planted), share(caught, len(planted))]]


def _copy_rows(run: Curated) -> list[list[object]]:
    rows, at_uid = run.rows, defaultdict(list)
    for at, row in enumerate(rows):
        at_uid[row["uid"]].append(at)
    exact, survivor = run.dropped("image_copies"), _named(run, "duplicate_group", "duplicate_survivor")
    caught, planted = Counter(), Counter()
    for at, row in enumerate(rows):
        if row["defect"] not in ("exact_duplicate", "near_duplicate"):
            continue
        column = "exact_group" if row["defect"] == "exact_duplicate" else "near_group"
        origin = [one for one in at_uid[row["of_uid"]] if rows[one][column] == row[column]]
        is_near = row["defect"] == "near_duplicate"
        name = f"near_duplicate: {json.loads(row['defect_detail'])['kind']}" if is_near else "exact_duplicate"
        planted[name] += 1
        caught[name] += any(survivor[at] == survivor[one] if is_near else exact[at] or exact[one] for one in origin)
    how = {"exact_duplicate": "dropped: image_copies, it or its original"}
    near = f"one group of duplicate_group with its original, radius {RADIUS}"
    return [[name, how.get(name, near), planted[name], share(caught[name], planted[name])] for name in sorted(planted)]


def _uid_row(run: Curated) -> list[list[object]]:
    pairs = sum(row["defect"] == "duplicate_uid" for row in run.truth.values())
    found = sum(reason == "duplicate_uid" for reason in run.rejected.values())
    return [["duplicate_uid", "rejected: duplicate_uid, the later of two rows of one shard", pairs, share(found, pairs)]]
