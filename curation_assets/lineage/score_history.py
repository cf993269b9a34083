"""Why stored values differ between two states of a lake, as far as the records of what they were made from tell. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from curation_assets.algorithms.labels import label_of
from curation_assets.nodes import Graph
from curation_assets.tables import Key

from .freshness import Fingerprint, reasons_out_of_date

Records = Mapping[str | None, Mapping[str, object]]


@dataclass(frozen=True)
class Recorded:
    """A graph, and what each partition of its artifacts was made from; of some artifacts nothing may be known."""

    graph: Graph
    records: Mapping[Key, Records]

    def versions(self, key: Key, shard: str | None, *, whole: bool) -> dict[str | None, object]:
        """Data versions of an artifact: of all its partitions, or of the one that a shard reads."""
        found = self.records.get(key, {})
        if whole:
            return {part: record.get("data_version") for part, record in found.items()}
        part = shard if key in self.graph and self.graph[key].is_sharded else None
        return {None: found[part].get("data_version")} if part in found else {}


def why_changed(old: Recorded, new: Recorded, key: Key, shards: tuple[str | None, str | None]) -> str:
    """Why an artifact's partition differs: its code, its parameters, or the artifact at the root of what it was made from.

    Args:
        old: one state.
        new: the other.
        key: artifact.
        shards: its partition in each of them.

    Returns:
        Such as `code version 1 -> 2` or `because the encoder changed`; empty when nothing is known to differ.
    """
    own = _own_change(old, new, key, shards)
    node = new.graph.get(key) or old.graph.get(key)
    if label_of(key, "encoder") is not None:
        return f"because {_said(key)} changed{f' ({own})' if own else ''}"
    if node is None:
        return own
    whole = node.gathers or not node.is_sharded or shards == (None, None)
    # An encoder first: another one changes the parameters of what it makes too. The pool's file last: it reaches everything.
    sources = sorted(node.inputs, key=lambda k: (label_of(k, "encoder") is None, k == ("raw_pool",)))
    for source in sources:
        if own and label_of(source, "encoder") is None:
            return own
        versions = [side.versions(source, shard, whole=whole) for side, shard in zip((old, new), shards, strict=True)]
        is_known = all(versions)
        if is_known and versions[0] == versions[1]:
            continue
        deeper = why_changed(old, new, source, shards if not whole else (None, None)) if is_known or _is_made(source) else ""
        if deeper or is_known:
            return deeper or f"because {_said(source)} changed"
    return own


def _own_change(old: Recorded, new: Recorded, key: Key, shards: tuple[str | None, str | None]) -> str:
    """Changed code or parameters of an artifact itself, from any two records of it that belong together."""
    found = []
    for side, shard in zip((old, new), shards, strict=True):
        records = side.records.get(key, {})
        found.append(records.get(shard) or next(iter(records.values()), None))
    before, after = found
    if before is None or after is None:
        return ""
    inputs, parameters = before.get("inputs"), after.get("parameters")
    present = Fingerprint(
        str(after.get("code_version")),
        parameters if isinstance(parameters, Mapping) else {},
        inputs if isinstance(inputs, Mapping) else {},
    )
    lines = reasons_out_of_date(before, present)
    return f"{'/'.join(key)}: {lines[0]}" if lines else ""


def _is_made(key: Key) -> bool:
    """Whether what is not recorded may still be told from what it is made of: an encoder itself may not."""
    return label_of(key, "encoder") is None


def _said(key: Key) -> str:
    return f"the {'/'.join(key)}" if label_of(key, "encoder") is not None else "/".join(key)
