"""The contrastive loss of a row in a fixed batch, against loops and the authors' formula."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from curation_assets.algorithms.vectors import from_binary
from curation_assets.errors import SchemaError
from curation_assets.scores.clip_score import clip_score
from curation_assets.scores.negcliploss import negcliploss
from curation_assets.summaries.reference_pairs import reference_pairs
from tests.conftest import SHARED

FOLDER = SHARED / "vectors" / "negcliploss"


def unit_rows(n: int, d: int, seed: int) -> np.ndarray:
    """Unit rows as they are stored: rounded to float16."""
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)


def drawn_pairs(*columns: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """The reference sample as a score gets it: vectors as matrices."""
    drawn = reference_pairs(*columns, size=size)
    sides = ("reference_image", "reference_text")
    return drawn | {side: from_binary(pa.array(drawn[side], pa.binary()), "<f2") for side in sides}


def uids(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n) - n // 2, np.arange(n) % 3


def oracle(images: np.ndarray, texts: np.ndarray, batch: list[int], i: int, temperature: float) -> float:
    """Half the log-probabilities of the row's caption among captions, and of its image among images, times temperature."""
    batch = sorted({*batch, i})

    def log_probability(a: np.ndarray, others: np.ndarray) -> float:
        similarity = {j: sum(float(x) * float(y) for x, y in zip(a, others[j], strict=True)) for j in batch}
        return -math.log(math.fsum(math.exp((similarity[j] - similarity[i]) / temperature) for j in batch))

    return temperature * (log_probability(images[i], texts) + log_probability(texts[i], images)) / 2


@pytest.mark.parametrize(("n", "d", "size"), [(1, 4, 1), (2, 3, 1), (9, 4, 100), (25, 8, 7), (25, 8, 24)])
@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
def test_against_loops(n: int, d: int, size: int, temperature: float):
    images, texts, (hi, lo) = unit_rows(n, d, 1), unit_rows(n, d, 2), uids(n)
    pairs = drawn_pairs(images, texts, hi, lo, size=size)
    drawn = set(zip(pairs["uid_hi"].tolist(), pairs["uid_lo"].tolist(), strict=True))
    batch = [i for i, uid in enumerate(zip(hi.tolist(), lo.tolist(), strict=True)) if uid in drawn]
    expected = [oracle(images, texts, batch, i, temperature) for i in range(n)]
    found = negcliploss(images, texts, hi, lo, pairs, temperature=temperature)
    np.testing.assert_allclose(found, expected, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("temperature", ["0.01", "0.07"])
def test_numbers_of_the_reference(temperature: str):
    """The authors' formula with log-sum-exp in float64, the batch being all 64 rows."""
    if not FOLDER.is_dir():
        pytest.skip(f"no vectors at {FOLDER}")
    images, texts, (hi, lo) = np.load(FOLDER / "img.npy"), np.load(FOLDER / "txt.npy"), uids(64)
    expected = json.loads((FOLDER / "expected_batch_is_all_64.json").read_text())[temperature]["negCLIPLoss"]
    pairs = drawn_pairs(images, texts, hi, lo, size=64)
    found = negcliploss(images, texts, hi, lo, pairs, temperature=float(temperature))
    np.testing.assert_allclose(found, expected, atol=5e-4)  # the reference sample is stored as float16
    exact = {"reference_image": images, "reference_text": texts} | {name: pairs[name] for name in ("uid_hi", "uid_lo")}
    found = negcliploss(images, texts, hi, lo, exact, temperature=float(temperature))
    np.testing.assert_allclose(found, expected, atol=2e-8, rtol=1e-6)


@pytest.mark.parametrize("blocks", [(512, 4096), (7, 5), (1, 1)])
def test_neither_rows_nor_blocks_that_are_computed_together_change_a_bit(
    blocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    n = 300
    images, texts, (hi, lo) = unit_rows(n, 64, 3), unit_rows(n, 64, 4), uids(n)
    pairs = drawn_pairs(images, texts, hi, lo, size=100)
    monkeypatch.setattr("curation_assets.scores.negcliploss._BLOCK_PAIRS", blocks[1])
    whole = negcliploss(images, texts, hi, lo, pairs)
    monkeypatch.setattr("curation_assets.scores.negcliploss._BLOCK_ROWS", blocks[0])
    for parts in (1, 2, 13, n):
        split = [
            negcliploss(*(c[part] for c in (images, texts, hi, lo)), pairs) for part in np.array_split(np.arange(n), parts)
        ]
        assert np.concatenate(split).tobytes() == whole.tobytes()


def test_a_caption_that_fits_everything_scores_lower_than_one_that_fits_as_well_and_alone():
    # Caption 0 has a cosine of 0.6 to every image, caption 1 the same to image 1 alone, caption 2 to none.
    images = np.float32([[0.6, 0.8, 0, 0], [0.6, 0, 0.8, 0], [0.6, -0.8, 0, 0]])
    texts = np.float32([[1, 0, 0, 0], [0, 0, 0.75, 0.66143783], [0, 0, 0, -1]])
    uid = np.arange(3)
    cosine, score = (
        clip_score(images, texts),
        negcliploss(images, texts, uid, uid, drawn_pairs(images, texts, uid, uid, size=9)),
    )
    assert cosine[0] == pytest.approx(cosine[1])
    np.testing.assert_allclose(score[:2], [-0.01 * math.log(3) / 2, -0.01 * math.log(2) / 2], atol=1e-4)


def test_large_cosines_at_a_small_temperature_do_not_overflow():
    rows = np.float32([[1, 0], [1, 0], [0, 1]])
    pairs = drawn_pairs(rows, rows, np.arange(3), np.arange(3), size=3)
    found = negcliploss(rows, rows, np.arange(3), np.arange(3), pairs, temperature=1e-5)
    np.testing.assert_allclose(found, [-1e-5 * math.log(2)] * 2 + [0], atol=1e-9)


def test_a_reference_of_another_encoder_and_vectors_that_are_not_unit_are_refused():
    rows, uid = unit_rows(2, 4, 0), np.arange(2)
    pairs = drawn_pairs(rows, rows, uid, uid, size=2)
    other = unit_rows(2, 6, 0)
    with pytest.raises(SchemaError, match="embeddings of length 6 with reference_pairs of length 4"):
        negcliploss(other, other, uid, uid, pairs)
    with pytest.raises(SchemaError, match="negcliploss: text_embedding must have unit rows"):
        negcliploss(rows, rows * 2, uid, uid, pairs)
