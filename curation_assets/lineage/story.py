"""The story of a sample as plain records: what `why` answers, field by field as docs/audit.md describes them."""

from dataclasses import dataclass

from .verdicts import Verdict

Value = float | int | str | bool | None


@dataclass(frozen=True)
class SampleFacts:
    """A row of raw_pool; `image_sha256` in hex, None where the source states none."""

    shard: str
    row: int
    key: str
    tar: str | None
    offset_bytes: int | None
    image_bytes: int | None
    text: str
    url: str | None
    width: int | None
    height: int | None
    format: str | None
    image_sha256: str | None
    licence: str | None
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Revision:
    """A time that the sample's shard was read from its source, oldest first.

    Args:
        delta_version: of raw_pool.
        written_at: UTC, ISO 8601.
        run_id: Dagster run.
        data_version: of the shard then.
        files: files that the shard was read from, with their stamps.
        is_current: whether these are the rows of now.
        is_readable: whether the lake still has the rows of then.
        row: the sample's row then; None if it was not there, or the rows are gone.
        image_sha256: of its image then.
        text_sha256: of its caption then.
        differs: what differs from the readable revision before: image_sha256, text, presence.
    """

    delta_version: int
    written_at: str
    run_id: str
    data_version: str
    files: dict[str, str]
    is_current: bool
    is_readable: bool
    row: int | None
    image_sha256: str | None
    text_sha256: str | None
    differs: tuple[str, ...]


@dataclass(frozen=True)
class EncoderFacts:
    """An encoder of the recipe; the recipe's own has an empty label."""

    label: str
    name: str
    weights_sha256: str


@dataclass(frozen=True)
class Use:
    """A filter of the chain that looks at a score; `distance` is positive inside."""

    subset: str
    filter: str
    comparison: str
    threshold: float | int | str | None
    distance: float | None


@dataclass(frozen=True)
class ScoreValue:
    """A stored score of the sample; `reason` says why it is NULL."""

    column: str
    artifact: str
    value: Value
    reason: str | None
    uses: tuple[Use, ...]


@dataclass(frozen=True)
class ClusterFacts:
    """The sample's cluster in one clustering, and the cosine similarity to its centroid."""

    artifact: str
    cluster_id: int | None
    similarity: float | None
    reason: str | None


@dataclass(frozen=True)
class Neighbour:
    """A sample of the same cluster, with the cosine of the two images' stored vectors."""

    uid: str
    cosine: float


@dataclass(frozen=True)
class Neighbours:
    """The most similar samples of the cluster, or why they are left out."""

    found: tuple[Neighbour, ...]
    omitted: str | None


@dataclass(frozen=True)
class Twin:
    """The sample that a score compared this one with.

    Args:
        columns: the two that hold its uid.
        uid: 32 hex digits.
        is_self: whether the score names the sample itself, as it does where there is no twin.
        is_in_pool: whether the pool still has it.
        is_in_subset: whether it is a member of the subset: the twin that was kept.
    """

    columns: tuple[str, str]
    uid: str
    is_self: bool
    is_in_pool: bool
    is_in_subset: bool


@dataclass(frozen=True)
class LedgerRow:
    """What the ledger of a subset says of the sample."""

    is_kept: bool
    filter: str | None
    column: str | None
    comparison: str | None
    value: float | str | None
    threshold: float | str | None


@dataclass(frozen=True)
class SubsetVerdict:
    """What one subset of the chain says of the sample.

    Args:
        subset: its name.
        source: subset that it narrows; None is the whole pool.
        is_reached: whether the sample is in the source; None where the source's decision is not stored.
        is_kept: as the ledger says; None where the sample has no row there.
        dropped_by: first filter that dropped it, as the ledger says.
        ledger: the stored decision.
        filters: the filters of the recipe on the scores of now, in order.
    """

    subset: str
    source: str | None
    is_reached: bool | None
    is_kept: bool | None
    dropped_by: str | None
    ledger: LedgerRow | None
    filters: tuple[Verdict, ...]


@dataclass(frozen=True)
class Finding:
    """Something that does not fit together, with what to do about it."""

    code: str
    where: str
    message: str


@dataclass(frozen=True)
class TableRead:
    """A table that the story was read from, with what wrote that partition of it."""

    artifact: str
    shard: str | None
    delta_version: int
    code_version: str
    data_version: str
    run_id: str
    written_at: str


@dataclass(frozen=True)
class Story:
    """All that is known of one sample, as seen from a subset."""

    uid: str
    is_member: bool | None
    dropped_in: str | None
    dropped_by: str | None
    never_reached: tuple[str, ...]
    summary: str
    sample: SampleFacts
    revisions: tuple[Revision, ...]
    encoders: tuple[EncoderFacts, ...]
    scores: tuple[ScoreValue, ...]
    clusters: tuple[ClusterFacts, ...]
    neighbours: Neighbours
    twins: tuple[Twin, ...]
    verdicts: tuple[SubsetVerdict, ...]
    findings: tuple[Finding, ...]
    tables: tuple[TableRead, ...]


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
