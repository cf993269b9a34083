"""What would run now, and what might: the rule of freshness.py asked for every partition, upstream before downstream. Pure.

An input that is about to be made again may come out with the content it had, and then what reads it stays as it is. Such
partitions are planned with `is_certain=False`: they run only if the input really changes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from curation_assets.algorithms.digest import json_digest
from curation_assets.nodes import Graph, Node, partitions
from curation_assets.tables import Key

from .freshness import Fingerprint, Partition, input_partitions, partition_name, present_fingerprint, reasons_out_of_date

FAILED_CHECKS = "failed_checks"
Records = Mapping[str | None, Mapping[str, object]]
# Stamps of the files that a partition reads outside the lake, and the measured limits that it has passed.
Outside = Callable[[Node, str | None], tuple[Mapping[str, str], tuple[str, ...]]]


@dataclass(frozen=True)
class Planned:
    """One partition that is out of date, or may come to be.

    Args:
        key: artifact.
        shard: partition of it.
        reasons: what changed; of an uncertain one, which inputs may change.
        is_certain: whether it runs whatever its inputs come out as.
        fingerprint: digest of what it would be made from; empty as long as an input is going to be made first.
        held_back_by: partition that failed a blocking check and is not going to be made again; empty if there is none.
    """

    key: Key
    shard: str | None
    reasons: tuple[str, ...]
    is_certain: bool
    fingerprint: str
    held_back_by: str

    @property
    def name(self) -> str:
        return partition_name("/".join(self.key), self.shard)

    @property
    def is_ready(self) -> bool:
        """Whether it can run now."""
        return bool(self.fingerprint) and self.is_certain


@dataclass(frozen=True)
class _Look:
    """What a partition would be made from.

    Args:
        present: fingerprint, without the inputs that are coming.
        coming: names of inputs that are made first, or cannot be read.
        changing: those of them whose change would count.
        blocked: what failed a check and holds the partition back: in any case, and only if it is made.
    """

    present: Fingerprint
    coming: frozenset[str]
    changing: tuple[str, ...]
    blocked: tuple[str, str]
    _compared: dict[int, list[str]] = field(default_factory=dict)

    def planned(self, node: Node, shard: str | None, recorded: Mapping[str, object] | None) -> Planned | None:
        """What is planned of a partition with this record; None if it is and stays up to date."""
        reasons = self._reasons(node, recorded)
        if not reasons and not self.changing:
            return None
        always, if_made = self.blocked
        held_back_by = always or (if_made if reasons else "")
        return Planned(node.key, shard, tuple(reasons or _awaited(self.changing)), bool(reasons), self._digest, held_back_by)

    def _reasons(self, node: Node, recorded: Mapping[str, object] | None) -> list[str]:
        if not node.gathers or recorded is None:
            return reasons_out_of_date(recorded, self.present, self.coming)
        same = id(recorded.get("inputs"))  # one object for all shards of a commit, and alive as long as the records are
        if same not in self._compared:
            self._compared[same] = reasons_out_of_date(recorded, self.present, self.coming)
        return self._compared[same]

    @cached_property
    def _digest(self) -> str:
        return "" if self.coming else json_digest(self.present.as_record())


@dataclass(frozen=True)
class Situation:
    """All that decides what is out of date: the graph, the shards, what is recorded, and the world outside the lake."""

    graph: Graph
    shards: list[str]
    records: Mapping[Key, Records]
    outside: Outside

    def out_of_date(self) -> dict[Partition, Planned]:
        """Every partition that is out of date, or may come to be, upstream before downstream."""
        versions = {key: data_versions(self.records[key]) for key in self.graph}
        planned: dict[Partition, Planned] = {}
        for node in self.graph.values():
            look: _Look | None = None
            for shard in partitions(node, self.shards):
                # What gathers reads the same for each of its shards, and its records share their inputs: look once.
                look = look if look is not None and node.gathers else self._look(node, shard, versions, planned)
                found = look.planned(node, shard, self.records[node.key].get(shard))
                if found is not None:
                    planned[node.key, shard] = found
        return planned

    def _look(
        self,
        node: Node,
        shard: str | None,
        versions: Mapping[Key, Mapping[str | None, str]],
        planned: Mapping[Partition, Planned],
    ) -> "_Look":
        """The inputs of a partition as they are, and those that are going to be made first or cannot be read."""
        coming: dict[Partition, str] = {}
        changing, blocked, blocked_if_made = [], "", ""
        for source, part in input_partitions(node, shard, self.graph, self.shards):
            first = planned.get((source.key, part))
            if first is None and part in versions[source.key]:
                continue
            name = coming[source.key, part] = partition_name(source.name, part)
            block = name if first is None else first.held_back_by
            if source.key in node.pinned:
                blocked_if_made = blocked_if_made or block
                continue
            changing.append(name)
            blocked = blocked or block
        present = self._present(node, shard, versions, coming)
        return _Look(present, frozenset(coming.values()), tuple(changing), (blocked, blocked_if_made))

    def _present(
        self, node: Node, shard: str | None, versions: Mapping[Key, Mapping[str | None, str]], without: Mapping[Partition, str]
    ) -> Fingerprint:
        stamps, exceeded = self.outside(node, shard)
        return present_fingerprint(
            node, shard, self.graph, self.shards, versions, stamps=stamps, exceeded=exceeded, without=without
        )


def data_versions(records: Records) -> dict[str | None, str]:
    """Data version of each partition that may be read; those that failed a blocking check may not."""
    return {part: str(record["data_version"]) for part, record in records.items() if not record.get(FAILED_CHECKS)}


def _awaited(changing: Sequence[str]) -> list[str]:
    more = f" or {len(changing) - 1:,} more" if len(changing) > 1 else ""
    return [f"if {changing[0]}{more} changes"]
