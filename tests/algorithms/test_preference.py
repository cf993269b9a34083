import numpy as np
import pytest

from curation_assets.algorithms.identity import keyed_bits
from curation_assets.algorithms.preference import preference, preference_columns

NEAR = np.float32([0.9, 0.1, 0.5])


def test_hard_prefers_what_is_far_from_the_centroid_and_easy_what_is_near():
    assert preference_columns("hard") == preference_columns("easy") == ("centroid_similarity",)
    assert np.argsort(-preference("hard", (NEAR,), 0)).tolist() == [1, 2, 0]
    # Unlike hard, easy is the column's own order: the similarity itself.
    assert preference_columns("easy") == ("centroid_similarity",)
    assert np.argsort(-preference("easy", (NEAR,), 0)).tolist() == [0, 2, 1]


def test_oldest_is_the_order_of_shards_and_then_of_rows():
    rows = np.array([0, 2**31 - 1])
    ages = [preference("oldest", (rows,), shard) for shard in (0, 1, 2**21 - 1)]
    assert (np.diff(np.concatenate(ages)) < 0).all()


def test_random_is_an_order_that_depends_on_the_uid_alone():
    rng = np.random.default_rng(0)
    uid = rng.integers(-(2**63), 2**63 - 1, (2, 500))
    drawn = preference("random", (uid[0], uid[1]), 0)
    assert (preference("random", (uid[0], uid[1]), 7) == drawn).all()
    bits = keyed_bits(uid[0], uid[1], seed=0, method="preference")
    assert np.argsort(drawn, kind="stable").tolist() == np.argsort(bits, kind="stable").tolist()


@pytest.mark.parametrize(("prefer", "sign"), [("clip_score", 1), ("low_clip_score", -1)])
def test_any_other_word_is_a_column(prefer: str, sign: int):
    assert preference_columns(prefer) == ("clip_score",)
    assert preference(prefer, (NEAR,), 3).tolist() == (sign * NEAR.astype(np.float64)).tolist()


def test_a_missing_value_is_no_preference():
    assert np.isnan(preference("clip_score", (np.float32([np.nan]),), 0)).all()
