"""clip_l14_similarity_score hands on what the pool states."""

import numpy as np

from curation_assets.scores.clip_l14_similarity_score import SCORE, clip_l14_similarity_score


def test_stated_values_are_handed_on_to_the_bit():
    stated = np.float32([-1, 0, 0.28, np.nextafter(np.float32(0.28), np.float32(1)), 1])
    assert clip_l14_similarity_score(stated).tobytes() == stated.tobytes()


def test_it_reads_its_own_model_and_is_made_where_it_is_used():
    assert SCORE.inputs == ("stored_clip_l14_score",)
    assert SCORE.is_on_demand
