"""A random number that belongs to a sample, from which random subsets of any size are cut."""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.keyed_uniform import keyed_uniform
from curation_assets.spec import Score
from curation_assets.tables import Column


def random_draw(
    uid_hi: np.ndarray, uid_lo: np.ndarray, *, seed: Annotated[int, Field(description="names the draw")] = 0
) -> np.ndarray:
    """Uniform random number of the sample, the same in whatever order, shard, process or year it is drawn.

    `top_fraction: f` keeps exactly the smallest, and `max: f` each sample with probability f whatever else is in the pool.
    Subsets of one seed are nested: a smaller fraction lies within a larger one. Equal uids have equal numbers. The number
    is the upper 53 of 64 keyed bits over 2**53: each is a double exactly, all are equally probable, and 1 is not among
    them, as it would be if 64 bits were rounded to a double.

    Args:
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        seed: another seed is another, independent draw.

    Returns:
        float64, shape (n,), in [0, 1).

    Source:
        Cohen and Kaplan 2007, Summarizing data using bottom-k sketches, doi:10.1145/1281100.1281133: samples by hashed
        ranks. Gadre et al. 2023, DataComp, arXiv:2304.14108, has random subsets as a baseline.

    Example:
        >>> draw = random_draw(np.array([1, 2, 1]), np.array([5, 6, 5]))
        >>> bool(draw[0] == draw[2] != draw[1])
        True
    """
    return keyed_uniform(uid_hi, uid_lo, seed=seed, method="random_draw") - 2.0**-53  # from (0, 1], exactly


SCORE = Score(
    compute=random_draw,
    columns=(Column("random_draw", pa.float64(), "uniform random number of the uid", bounds=(0, 1)),),
    source="bottom-k sampling, doi:10.1145/1281100.1281133",
    version="1",
    keep="low",
    is_on_demand=True,
)
