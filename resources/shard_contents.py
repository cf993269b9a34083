"""What a reader of shards returns, whatever the format: columns of kept samples, and of rejected ones with the reason."""

from typing import NamedTuple

from curation_assets.errors import PoolError
from resources.sample_facts import Parts, RejectedRow, SampleRow, encodable, sample_row


class ShardContents(NamedTuple):
    """Columns of one shard: kept samples (fields of SampleRow), rejected ones (fields of RejectedRow), in the shard's order.

    `row` is the ordinal over all samples, so that kept rows have gaps where rejected ones stand. A damaged tar ends in one
    rejected row for everything from the damage on. A source that states scores has their columns among the kept ones.
    """

    kept: dict[str, list[object]]
    rejected: dict[str, list[object]]
    samples_seen: int

    def check_accounts(self) -> None:
        """Raises unless every sample seen is either kept or rejected with a reason, exactly once.

        Raises:
            PoolError: the rows are not 0, 1, ... samples_seen - 1.
        """
        rows = sorted([*self.kept["row"], *self.rejected["row"]])
        if rows != list(range(self.samples_seen)):
            found = f"{len(self.kept['row'])} kept + {len(self.rejected['row'])} rejected"
            raise PoolError(f"{self.samples_seen} samples seen, but {found}; this is a fault of the reader, report it")


def empty_shard(fault: str = "") -> ShardContents:
    """A shard without samples; with one rejected row if it is empty because of a fault."""
    return shard_contents([], RejectedRow(0, "", "unreadable_shard", encodable(fault)[:400], 0) if fault else None)


def shard_contents(samples: list[Parts], tail: RejectedRow | None) -> ShardContents:
    """Columns of all samples, of those that share a uid the first kept one, and of the tail that could not be read."""
    kept: list[SampleRow] = []
    rejected: list[RejectedRow] = []
    first: dict[bytes, SampleRow] = {}
    for row, parts in enumerate(samples):
        facts = sample_row(parts, row)
        if isinstance(facts, RejectedRow):
            rejected.append(facts)
        elif first.setdefault(facts.uid, facts) is facts:
            kept.append(facts)
        else:
            winner = first[facts.uid]
            detail = f"uid {facts.uid.hex()} is that of row {winner.row}, key {winner.key!r}"[:200]
            rejected.append(RejectedRow(row, facts.key, "duplicate_uid", detail, facts.offset_bytes))
    if tail is not None:
        rejected.append(tail)
    return ShardContents(
        columns_of(SampleRow._fields, kept), columns_of(RejectedRow._fields, rejected), len(samples) + (tail is not None)
    )


def columns_of(names: tuple[str, ...], rows: list[SampleRow] | list[RejectedRow]) -> dict[str, list[object]]:
    """Rows as one list per field."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {name: list(column) for name, column in zip(names, columns, strict=True)}
