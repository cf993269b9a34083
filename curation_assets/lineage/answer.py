"""The answer of `why`: the stories of the samples that are meant, and what is known of those that are not in the pool."""

from dataclasses import dataclass

from .story import Story


@dataclass(frozen=True)
class Rejection:
    """A sample of the source that is not in the pool, or not in it again."""

    shard: str
    row: int
    key: str
    reason: str
    detail: str
    offset_bytes: int | None


@dataclass(frozen=True)
class TakenDown:
    """A takedown that refuses what was asked: by its uid, sha256, url or domain. What was removed is not kept.

    Of a published version: one that took the uid out of it.
    """

    kind: str
    ticket: str


@dataclass(frozen=True)
class Searched:
    """Where it was looked for."""

    shards: int
    rows: int
    rejected_rows: int


@dataclass(frozen=True)
class Why:
    """The answer of `why`; `schema` is raised when a field changes its meaning."""

    schema: int
    asked: str
    kind: str
    subset: str
    version: int | None
    found: bool
    searched: Searched
    samples: tuple[Story, ...]
    rejected: tuple[Rejection, ...]
    taken_down: tuple[TakenDown, ...]
