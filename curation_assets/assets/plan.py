"""What `curate plan` shows and `curate apply` runs: what is out of date, why, and what it will probably cost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from curation_assets.errors import ArgumentError
from curation_assets.holdings.state import State
from curation_assets.lineage.freshness import Partition, input_partitions
from curation_assets.lineage.planning import Planned
from curation_assets.nodes import partitions
from curation_assets.tables import Key

from .failures import Failures, read_failures

# What is cheap to make from what is stored costs no bytes of images; these read them.
_READ_IMAGES = frozenset((("raw_pool",), ("embeddings",), ("filter_network",)))


@dataclass(frozen=True)
class Cost:
    """Estimated from what earlier runs recorded: rows, bytes of images to read, seconds, and seconds on a GPU.

    `seconds` is None where nothing like it has ever been made.
    """

    rows: int
    bytes: int
    seconds: float | None
    gpu_seconds: float | None


@dataclass(frozen=True)
class Plan:
    """What would run, upstream before downstream.

    Args:
        state: the moment that it was made from.
        planned: every partition that is out of date, or may come to be.
        failures: partitions that failed at the last attempt, with the fingerprint that they failed with.
    """

    state: State
    planned: Mapping[Partition, Planned]
    failures: Failures

    @property
    def due(self) -> list[Planned]:
        """In the order in which they would run."""
        return list(self.planned.values())

    @property
    def ready(self) -> list[Planned]:
        """Those that can run now."""
        return [one for one in self.due if one.is_ready and not one.held_back_by]

    def failed_before(self, one: Planned) -> str | None:
        """How a partition failed when it was last tried, if it would now be made from the very same."""
        return self.failures.reason(one) if one.fingerprint else None

    @cached_property
    def seconds(self) -> float | None:
        """Estimate of everything together; None where something has never been made."""
        costs = [self.cost(one).seconds for one in self.due]
        return None if None in costs else float(sum(filter(None, costs)))

    def cost(self, one: Planned) -> Cost:
        """Estimated cost of one partition: as it cost last time, else at the rate of other partitions of its kind."""
        records = self.state.records[one.key]
        rows, images = self._rows(one), self._image_bytes(one)
        previous = records.get(one.shard)
        if previous is not None and _seconds(previous) is not None:
            return Cost(rows, images, _seconds(previous), _seconds(previous, "gpu_seconds") or 0.0)
        seconds = self._rate(one.key, "seconds")
        gpu_seconds = self._rate(one.key, "gpu_seconds")
        if seconds is None:
            return Cost(rows, images, None, None)
        return Cost(rows, images, seconds * max(rows, 1), (gpu_seconds or 0.0) * rows)

    def _rate(self, key: Key, name: str) -> float | None:
        """Seconds per row over all partitions of an artifact, or where it was never made, of its kind (another subset)."""
        if (key, name) not in self._rates:
            kin = [key, *(other for other in self.state.project.graph if other[0] == key[0])]
            known = (self.state.records[one].values() for one in kin if self.state.records[one])
            records = next(known, [])
            spent = [_seconds(record, name) for record in records if _seconds(record, name) is not None]
            rows = sum(int(str(record.get("rows_made", record["rows"]))) for record in records)
            self._rates[key, name] = sum(spent) / max(rows, 1) if spent else None
        return self._rates[key, name]

    @cached_property
    def _rates(self) -> dict[tuple[Key, str], float | None]:
        return {}

    def _rows(self, one: Planned) -> int:
        """Rows of the pool that it would be made from; of a new tar, as many as its bytes suggest."""
        shards = [one.shard] if one.shard is not None else self.state.shards
        return sum(self._pool_rows[shard] for shard in shards if shard is not None)

    def _image_bytes(self, one: Planned) -> int:
        if one.key not in _READ_IMAGES:
            return 0
        shards = [one.shard] if one.shard is not None else self.state.shards
        return sum(self._tar_bytes.get(shard, 0) for shard in shards if shard is not None)

    @cached_property
    def _pool_rows(self) -> dict[str, int]:
        records = self.state.records["raw_pool",]
        known = {shard: int(str(records[shard]["rows"])) for shard in self.state.shards if shard in records}
        size = sum(self._tar_bytes.get(shard, 0) for shard in known)
        per_byte = sum(known.values()) / size if size else 0.0
        return {shard: known.get(shard, round(per_byte * self._tar_bytes.get(shard, 0))) for shard in self.state.shards}

    @cached_property
    def _tar_bytes(self) -> dict[str, int]:
        return {shard: path.stat().st_size if path.is_file() else 0 for shard, path in self.state.files.items()}


def plan_project(state: State, select: Sequence[str] = ()) -> Plan:
    """What is out of date, and what it needs.

    Args:
        state: what the lake holds and the pool has.
        select: names or patterns of artifacts, such as `subsets/*` or `embeddings[00000]`; only these and what they need is
            planned. Empty selects everything.

    Raises:
        ArgumentError: a pattern names nothing.
    """
    planned = state.planned
    if select:
        wanted = _upstream(state, set(_selected(state, select)))
        planned = {partition: one for partition, one in planned.items() if partition in wanted}
    return Plan(state, planned, read_failures(state.project.lake))


def _selected(state: State, select: Sequence[str]) -> Iterator[Partition]:
    graph = state.project.graph
    for pattern in select:
        asset, _, shard = pattern.removesuffix("]").partition("[")
        keys = [key for key, node in graph.items() if fnmatchcase(node.name, asset)]
        parts = [(key, part) for key in keys for part in partitions(graph[key], state.shards)]
        found = [(key, part) for key, part in parts if fnmatchcase(part or "", shard or "*")]
        if not found:
            names = ", ".join(node.name for node in graph.values())
            raise ArgumentError(f"--select {pattern!r} names nothing; artifacts: {names}; shards such as {state.shards[:3]}")
        yield from found


def _upstream(state: State, wanted: set[Partition]) -> set[Partition]:
    """The partitions and all that they read, directly or not."""
    graph, found, open_ones = state.project.graph, set(wanted), list(wanted)
    while open_ones:
        key, shard = open_ones.pop()
        for source, part in input_partitions(graph[key], shard, graph, state.shards):
            if (source.key, part) not in found:
                found.add((source.key, part))
                open_ones.append((source.key, part))
    return found


def _seconds(record: Mapping[str, object], name: str = "seconds") -> float | None:
    value = record.get(name)
    return float(value) if isinstance(value, int | float) else None
