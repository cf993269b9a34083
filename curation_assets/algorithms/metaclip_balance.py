"""MetaCLIP's balance of captions over the entries of a metadata list: how likely a caption of given entries is kept."""

import numpy as np

from curation_assets.errors import SchemaError


def entry_probability(count: np.ndarray, t: float) -> np.ndarray:
    """Share of an entry's captions to keep: t / count where the entry has more than t, else all.

    Args:
        count: captions that match each entry, >= 0.
        t: captions to keep per entry, > 0.

    Returns:
        float64 in (0, 1], of the shape of `count`.

    Source:
        Xu et al. 2023, Demystifying CLIP Data, arXiv:2309.16671, algorithm 1.

    Example:
        >>> entry_probability(np.array([5, 20, 80]), 20).tolist()
        [1.0, 1.0, 0.25]
    """
    return t / np.maximum(np.asarray(count, np.float64), t)


def inclusion_probability(matches: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Probability that at least one of a caption's entries is drawn, each independently.

    Args:
        matches: int arrays or lists, shape (n,): positions in `probability`, in any order; one that comes twice counts once.
        probability: float64, shape (k,), in [0, 1].

    Returns:
        float64, shape (n,), in [0, 1]; 0 where nothing matches.

    Source:
        Xu et al. 2023, arXiv:2309.16671, algorithm 1. The authors' notebook shows the sum of the probabilities, at most 1,
        which is larger.

    Example:
        >>> inclusion_probability([[0, 1], [0], []], np.array([0.5, 0.5])).tolist()
        [0.75, 0.5, 0.0]
    """
    row, entry = matched_pairs(matches)
    missed = np.ones(len(matches))
    # Entries ascend within a row, so that the last bit does not depend on the order of the matches.
    np.multiply.at(missed, row, 1 - probability[entry])
    return 1 - missed


def matched_pairs(matches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and entry of every match, int64, ascending by row, then entry, each pair once.

    Args:
        matches: int arrays or lists, shape (n,).

    Raises:
        SchemaError: an entry is negative.
    """
    lengths = np.fromiter((len(found) for found in matches), np.int64, len(matches))
    row = np.repeat(np.arange(len(matches)), lengths)
    entry = np.concatenate([np.zeros(0, np.int64), *(np.asarray(found, np.int64) for found in matches)])
    if len(entry) and entry.min() < 0:
        raise SchemaError(f"matched entries are numbered from 0; row {row[entry.argmin()]} has {entry.min()}")
    order = np.lexsort((entry, row))
    row, entry = row[order], entry[order]
    is_first = np.concatenate([np.ones(min(1, len(row)), bool), (row[1:] != row[:-1]) | (entry[1:] != entry[:-1])])
    return row[is_first], entry[is_first]


def tail_share(count: np.ndarray, t: float) -> float:
    """Share of all matches that lies in entries with fewer than t of them; 0 where nothing matches.

    Source:
        Chuang et al. 2025, Meta CLIP 2, arXiv:2507.22062; code facebookresearch/MetaCLIP at f47f7841 (t_to_p).

    Example:
        >>> tail_share(np.array([1, 2, 7]), 7)
        0.3
    """
    count = np.asarray(count, np.int64)
    total = int(count.sum())
    return int(count[count < t].sum()) / total if total else 0.0


def tail_threshold(count: np.ndarray, share: float) -> int:
    """The count of the entry up to which the tail has nearest to a given share of all matches, of equals the smaller.

    With the share of one language's tail it finds a t for the counts of another.

    Raises:
        SchemaError: nothing matches.

    Source:
        Chuang et al. 2025, Meta CLIP 2, arXiv:2507.22062; code facebookresearch/MetaCLIP at f47f7841 (p_to_t).

    Example:
        >>> tail_threshold(np.array([1, 2, 7]), 0.3)
        2
    """
    count = np.sort(np.asarray(count, np.int64))
    cumulative = np.cumsum(count)
    if not len(count) or not cumulative[-1]:
        raise SchemaError(f"a tail of {share} needs matches; {len(count)} entries have none")
    return int(count[np.abs(cumulative / cumulative[-1] - share).argmin()])
