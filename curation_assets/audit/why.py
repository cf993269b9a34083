"""Why a sample is in a subset or is not: its whole story, from a live subset or from a published version by the same code."""

from collections.abc import Iterable
from dataclasses import dataclass

from curation_assets.algorithms.labels import labelled
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State
from curation_assets.lineage.story import (
    ClusterFacts,
    EncoderFacts,
    Finding,
    SampleFacts,
    ScoreValue,
    Searched,
    Story,
    SubsetVerdict,
    TableRead,
    Twin,
    Use,
    Why,
)
from curation_assets.lineage.verdicts import conditions_of, finite
from curation_assets.nodes import Node
from curation_assets.recipe import SubsetPlan
from curation_assets.recipe_override import subset_chain
from curation_assets.tables import Key

from .asked import Asked, sample_asked, uid_text
from .chain import Sample, chain_verdicts
from .neighbours import NeighboursOf
from .places import find_places, find_rejected
from .revisions import Revisions
from .stored_rows import POOL, UIDS, Place, StoredRows
from .versions import find_version, open_version, parse_reference, stored_state

SCHEMA = 1
_REJECTED: Key = ("rejected_samples",)


def why(project: Project, asked: str, reference: str, *, neighbours: int = 5) -> Why:
    """The story of one sample, or of the few that share an image or URL.

    Args:
        project: recipe, graph and lake.
        asked: uid, sha256 of an image, URL, or SHARD/KEY.
        reference: subset, or published version such as `train@2`.
        neighbours: how many similar samples are named.

    Raises:
        ArgumentError: what is asked is none of these, or there is no such subset or version.
        LakeError: the lake holds no pool.
    """
    return why_each(project, [asked], reference, neighbours=neighbours)[0]


def why_each(project: Project, asked: Iterable[str], reference: str, *, neighbours: int = 5) -> list[Why]:
    """The same for any number of samples; what several stories need is read once."""
    meant = [(text, sample_asked(text)) for text in asked]
    state, subset, number = opened(project, reference)
    teller = _Teller(state, subset, neighbours)
    if len(meant) > 1:
        teller.expect_many()
    return [teller.answer(text, one, number) for text, one in meant]


def opened(project: Project, reference: str) -> tuple[State, str, int | None]:
    """What holds a subset as it is, or as it was published; its name and the version's number.

    Raises:
        ArgumentError: there is no such subset or version; lists the known ones.
    """
    subset, number = parse_reference(reference)
    if number is not None:
        project = open_version(project, find_version(project, subset, number))
    subset_chain(project.recipe, subset)
    return stored_state(project), subset, number


@dataclass(frozen=True)
class _Score:
    """A score that is stored, and the column that is told of it."""

    node: Node
    column: str


class _Teller:
    """Tells the stories of samples as seen from one subset."""

    def __init__(self, state: State, subset: str, neighbours: int) -> None:
        self._stored = StoredRows(state)
        self._chain: list[SubsetPlan] = subset_chain(state.project.recipe, subset)
        self._subset: Key = ("subsets", subset)
        self._neighbours, self._revisions = NeighboursOf(self._stored, neighbours), Revisions(self._stored)
        self._scores = [n for n in state.project.graph.values() if n.key[0] == "scores" and self._stored.is_stored(n.key)]

    def expect_many(self) -> None:
        """Read the uids of the whole pool once, 20 bytes a row, in place of searching its files for each sample."""
        self._stored.tables(POOL, self._stored.shards, UIDS)

    def answer(self, text: str, asked: Asked, number: int | None) -> Why:
        stored = self._stored
        samples = tuple(self._story(place) for place in find_places(stored, asked))
        rejected, looked_at = find_rejected(stored, asked)
        rows = sum(int(str(stored.state.records[POOL][shard]["rows"])) for shard in stored.shards)
        searched, found = Searched(len(stored.shards), rows, looked_at), bool(samples or rejected)
        return Why(SCHEMA, text, asked.kind, self._subset[1], number, found, searched, samples, tuple(rejected))

    def _story(self, place: Place) -> Story:
        row = self._stored.row(POOL, place) or {}
        sample = Sample(place, int(str(row["uid_hi"])), int(str(row["uid_lo"])))
        verdicts, findings, tables = chain_verdicts(self._stored, self._chain, sample)
        usable = [node for node in self._scores if not self._stored.fault(node.key, place[0])]
        encoders, clusters, others = self._features(place)
        findings += [_unusable(node, self._stored.fault(node.key, place[0])) for node in self._scores if node not in usable]
        tables = [(POOL, place[0]), *tables, *((node.key, place[0]) for node in usable), *others]
        dropped = next((v for v in verdicts if v.is_kept is False), None)
        return Story(
            uid=uid_text(sample.uid_hi, sample.uid_lo),
            is_member=False if dropped else verdicts[-1].is_kept,
            dropped_in=dropped and dropped.subset,
            dropped_by=dropped and dropped.dropped_by,
            never_reached=tuple(v.subset for v in verdicts[verdicts.index(dropped) + 1 :]) if dropped else (),
            summary=_summary(verdicts, dropped),
            sample=_facts(place, row),
            revisions=self._revisions.of(place[0], sample.uid_hi, sample.uid_lo),
            encoders=tuple(encoders),
            scores=tuple(score for node in usable for score in self._values(node, place, verdicts)),
            clusters=tuple(clusters),
            neighbours=self._neighbours.of(place),
            twins=tuple(twin for node in usable for twin in self._twins(node, place, sample)),
            verdicts=tuple(verdicts),
            findings=tuple(findings),
            tables=self._tables(tables),
        )

    def _values(self, node: Node, place: Place, verdicts: list[SubsetVerdict]) -> list[ScoreValue]:
        row = self._stored.row(node.key, place) or {}
        reason = row.get("reason")
        found = []
        halves = {name for pair in uid_columns(node) for name in pair}
        for column in node.table.names:
            if column in ("shard", "row", "reason", *halves):
                continue
            value = row.get(column)
            shown = finite(value) if isinstance(value, float) else value
            why_null = None if value is not None or reason is None else str(reason)
            found.append(ScoreValue(column, node.name, shown, why_null, tuple(_uses(column, verdicts))))
        return found

    def _twins(self, node: Node, place: Place, sample: Sample) -> list[Twin]:
        row = self._stored.row(node.key, place) or {}
        found = []
        for high, low in uid_columns(node):
            if row.get(high) is None or row.get(low) is None:
                continue
            uid = int(str(row[high])), int(str(row[low]))
            places = self._stored.places(*uid)
            is_member = any(self._stored.has_row(self._subset, twin) for twin in places)
            is_self = uid == (sample.uid_hi, sample.uid_lo)
            found.append(Twin((high, low), uid_text(*uid), is_self, bool(places), is_member))
        return found

    def _features(self, place: Place) -> tuple[list[EncoderFacts], list[ClusterFacts], list[tuple[Key, str | None]]]:
        """Encoders and clusters that are stored, and their partitions."""
        stored, recipe = self._stored, self._stored.state.project.recipe
        encoders, clusters, tables = [], [], []
        for label in recipe.encoders:
            key = labelled("encoder", label)
            if not stored.fault(key, None):
                row = stored.read(key, None).to_pylist()[0]
                encoders.append(EncoderFacts(label, row["encoder_name"], row["weights_sha256"]))
                tables.append((key, None))
        for label in recipe.clusterings:
            key = labelled("cluster_assignments", label)
            row = None if stored.fault(key, place[0]) else stored.row(key, place)
            if row is not None:
                similarity, reason = row["centroid_similarity"], row["reason"]
                clusters.append(ClusterFacts(key[0], row["cluster_id"], similarity, reason))
                tables.append((key, place[0]))
        return encoders, clusters, tables

    def _tables(self, partitions: list[tuple[Key, str | None]]) -> tuple[TableRead, ...]:
        return tuple(self._stored.table_read(*partition) for partition in dict.fromkeys(partitions))


def uid_columns(node: Node) -> list[tuple[str, str]]:
    """Pairs of columns of a score that hold a uid: high and low half."""
    if node.instance is None:
        return []
    here = {own.name: column.name for own, column in zip(node.instance.method.columns, node.instance.columns, strict=True)}
    return [(here[n], here[f"{n[:-3]}_lo"]) for n in here if n.endswith("_hi") and f"{n[:-3]}_lo" in here]


def _facts(place: Place, row: dict[str, object]) -> SampleFacts:
    sha256 = row["image_sha256"]
    taken = {n: row[n] for n in SampleFacts.__dataclass_fields__ if n not in ("shard", "row", "image_sha256", "remarks")}
    remarks = tuple(code for code in str(row["remarks"] or "").split(",") if code)
    return SampleFacts(
        shard=place[0], row=place[1], image_sha256=sha256.hex() if isinstance(sha256, bytes) else None, remarks=remarks, **taken
    )


def _uses(column: str, verdicts: list[SubsetVerdict]) -> list[Use]:
    return [
        Use(v.subset, name, c.comparison, c.threshold, c.margin)
        for v in verdicts
        for verdict in v.filters
        for name, c in conditions_of(verdict)
        if c.column == column
    ]


def _unusable(node: Node, fault: str) -> Finding:
    return Finding("score_unusable", node.name, f"{node.name} is left out: {fault}; run curate apply")


def _summary(verdicts: list[SubsetVerdict], dropped: SubsetVerdict | None) -> str:
    last = verdicts[-1].subset
    if dropped is not None:
        after = [v.subset for v in verdicts[verdicts.index(dropped) + 1 :]]
        return f"dropped in {dropped.subset} by {dropped.dropped_by}" + (f", never reached {', '.join(after)}" if after else "")
    return f"kept in {last}" if verdicts[-1].is_kept else f"no decision of {last} is stored for it"
