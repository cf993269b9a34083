"""Reasons counted, for funnels and checks."""

from collections import Counter
from collections.abc import Iterable


def reason_counts(reasons: Iterable[str | None]) -> dict[str, int]:
    """How often each reason occurs, most frequent first; rows without one are left out."""
    counts = Counter(reason for reason in reasons if reason is not None)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
