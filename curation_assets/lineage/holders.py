"""Which subsets and published versions hold a sample, as plain records; docs/audit.md describes them field by field."""

from dataclasses import dataclass

from .answer import TakenDown


@dataclass(frozen=True)
class Match:
    """How a sample matches what was asked: uid, sha256, url, domain, bytes, perceptual (with distance) or cosine."""

    how: str
    distance: int | None = None
    cosine: float | None = None


@dataclass(frozen=True)
class InVersion:
    """A published version that holds a sample, and where the sample lay then."""

    name: str
    published_at: str
    shard: str
    row: int


@dataclass(frozen=True)
class Holder:
    """A sample with everything that holds it; `row` is that of now, or of the newest version where the pool has lost it."""

    uid: str
    shard: str
    row: int
    is_in_pool: bool
    match: Match
    subsets: tuple[str, ...]
    versions: tuple[InVersion, ...]


@dataclass(frozen=True)
class Looked:
    """A way of looking, whether it was used, and what it covered, or why it was not used."""

    how: str
    is_searched: bool
    remark: str


@dataclass(frozen=True)
class Which:
    """The answer of `which`; `schema` is raised when a field changes its meaning.

    Args:
        asked: as it was given.
        kind: uid, sha256, url, domain or file.
        found: whether any sample matches.
        pool_rows: rows of the live pool that were looked at.
        subsets: live subsets that were looked at.
        versions: published versions whose members were looked at.
        searched: ways of looking.
        unusable: partitions of subsets that say nothing about the present pool, and versions without members, with the reason.
        samples: what matches, by uid and shard; of a file the nearest first.
        taken_down: where nothing matches, takedowns that refuse what is asked; of a file its bytes.
    """

    schema: int
    asked: str
    kind: str
    found: bool
    pool_rows: int
    subsets: tuple[str, ...]
    versions: tuple[str, ...]
    searched: tuple[Looked, ...]
    unusable: tuple[str, ...]
    samples: tuple[Holder, ...]
    taken_down: tuple[TakenDown, ...]
