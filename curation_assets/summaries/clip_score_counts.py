"""How the CLIP scores of the pool are distributed, finely enough for quantiles."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.histogram import Histogram, histogram
from curation_assets.algorithms.order_statistics import value_words
from curation_assets.spec import Summary
from curation_assets.tables import Column

_MOST_BUCKETS = 2**16


def clip_score_counts(clip_score: np.ndarray) -> dict[str, np.ndarray]:
    """Samples per bucket of CLIP score, in at most 65,536 buckets.

    A bucket is a single score as long as there are no more different ones; else it is a range of scores that share their
    leading bits, the finest for which the buckets suffice. Of 10^9 normal scores (mean 0.28, standard deviation 0.05) a
    bucket has at most 130,000, so that a quantile is exact to about 0.00013 of the samples.

    Args:
        clip_score: float32, shape (n,); NaN is not counted.

    Returns:
        `bucket_low` and `bucket_high`, float64, the least and the greatest score in a bucket, ascending; `bucket_samples`,
        int64; `bucket_shift`, int32, bits that the scores of a bucket may differ in, the same in every row.

    Source:
        Munro and Paterson 1980, Selection and Sorting with Limited Storage; here by leading bits, so that shards add up in
        any order.

    Example:
        >>> found = clip_score_counts(np.float32([0.5, 0.25, 0.5]))
        >>> found["bucket_low"].tolist(), found["bucket_samples"].tolist()
        ([0.25, 0.5], [1, 2])
    """
    value = np.asarray(clip_score, np.float64)
    return _columns(histogram(value_words(value[~np.isnan(value)], "low"), _MOST_BUCKETS))


def merged_counts(counts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The distribution of all rows, from those of parts of them."""
    least, greatest = (value_words(counts[name], "low") for name in ("bucket_low", "bucket_high"))
    shift = int(counts["bucket_shift"].max(initial=0))
    # Adding nothing puts buckets that came in any order in order, and joins those that are one.
    parts = Histogram(_MOST_BUCKETS, shift, least, greatest, counts["bucket_samples"])
    return _columns(parts + histogram(np.empty(0, np.uint64), _MOST_BUCKETS))


def _columns(counts: Histogram) -> dict[str, np.ndarray]:
    return {
        "bucket_low": _values(counts.least),
        "bucket_high": _values(counts.greatest),
        "bucket_samples": counts.rows.astype(np.int64),
        "bucket_shift": np.full(len(counts.rows), counts.shift, np.int32),
    }


def _values(words: np.ndarray) -> np.ndarray:
    """The float64 values of order-preserving words."""
    sign = np.uint64(2**63)
    return np.where(words >= sign, words ^ sign, ~words).view(np.float64)


SUMMARY = Summary(
    compute=clip_score_counts,
    merge=merged_counts,
    columns=(
        Column("bucket_low", pa.float64(), "least CLIP score in the bucket"),
        Column("bucket_high", pa.float64(), "greatest CLIP score in the bucket"),
        Column("bucket_samples", pa.int64(), "samples in the bucket", bounds=(1, None)),
        Column("bucket_shift", pa.int32(), "trailing bits that scores of a bucket may differ in", bounds=(0, 64)),
    ),
    source="Munro and Paterson 1980",
    version="1",
)
