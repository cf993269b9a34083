"""Bytes of the image file, unchanged."""

import numpy as np

from curation_assets.scores.image_file_size import image_file_size


def test_sizes_are_those_of_the_pool_and_a_copy():
    stored = np.array([1, 4999, 5000, 2**40])
    found = image_file_size(stored)["image_file_bytes"]
    assert found.tolist() == [1, 4999, 5000, 2**40]
    assert not np.shares_memory(found, stored)
