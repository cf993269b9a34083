"""What a subset would keep with other parameters: counts from stored scores, exact, and nothing is written."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.algorithms.order_statistics import fraction_cut
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.errors import LakeError
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import State, read_state
from curation_assets.holdings.status import Funnel
from curation_assets.holdings.stored import cut_condition, score_columns
from curation_assets.keep import columns_of, fractions, with_cuts
from curation_assets.lineage.freshness import partition_name
from curation_assets.nodes import Graph, column_owners
from curation_assets.recipe import SubsetPlan
from curation_assets.recipe_override import ParameterChange, overridden, parameter_changes, subset_chain
from curation_assets.spec import Condition, Fraction
from curation_assets.tables import Key

_POOL: Key = ("raw_pool",)
_UID = ["row", "uid_hi", "uid_lo"]
# The rows of a shard that something is decided on, or taken of: row and uid, in ascending row.
RowsOf = Callable[[str], pa.Table]


@dataclass(frozen=True)
class SubsetPreview:
    """A subset as it is stored and as it would be: `added` and `removed` rows make the one into the other.

    `stored`, `added` and `removed` are None when not all shards of the preview have this subset yet.
    """

    stored: Funnel | None
    changed: Funnel
    added: int | None
    removed: int | None


@dataclass(frozen=True)
class Preview:
    """What changed parameters would do to a subset.

    Args:
        subset: the subset asked for; the last of `subsets`.
        changes: parameters that get another value; empty when the recipe has these values already.
        subsets: from the first subset with a changed parameter down to the one asked for.
        shards: how many shards are counted.
        unusable: shards that are not counted, since some table still has the rows of an earlier version of the shard.
        out_of_date: partitions that are out of date and were used as stored all the same, by artifact; what is made from
            them is listed only if it is out of date by itself.
        measured_again: scores used here that would themselves be measured again, since their encoder learns from a changed
            subset; what they would then say is not known.
    """

    subset: str
    changes: list[ParameterChange]
    subsets: list[SubsetPreview]
    shards: int
    unusable: list[str]
    out_of_date: dict[str, int]
    measured_again: list[str]


@dataclass(frozen=True)
class _Stored:
    """Tables as they were when the preview began, over the shards that can be used."""

    state: State
    shards: list[str]

    def read(self, key: Key, shard: str, columns: list[str]) -> pa.Table:
        """Columns of a partition in ascending row."""
        return self.state.snapshots[key].read(shard, columns)

    def scores(self, columns: Sequence[str], rows: pa.Table, shard: str) -> dict[str, pa.Array]:
        """Score columns at the given rows of a shard."""

        def read(key: Key, names: list[str] | None) -> pa.Table:
            return self.state.snapshots[key].read(shard, names)

        return score_columns(read, self.state.project.graph, columns, rows["row"].to_numpy())


def preview(project: Project, subset: str, settings: Sequence[str]) -> Preview:
    """Count what a subset would keep with other parameters, as making it would, without making anything.

    Reads shard by shard; between two subsets of the chain it holds row and uid of every kept row (20 bytes each), and for a
    fraction value and uid of the whole population.

    Args:
        project: recipe, graph and lake; all stay as they are.
        subset: name in the recipe.
        settings: `filter.parameter=value`, or `other_subset.filter.parameter=value` for a subset that it narrows.

    Raises:
        ArgumentError: unknown subset or filter, or a setting that cannot be read.
        RecipeError: a filter has no such parameter, or the value is out of its bounds.
        LakeError: a score or source that is needed is missing or failed a check.
    """
    recipe = overridden(project.recipe, subset, settings)
    changes = parameter_changes(project.recipe, recipe)
    edited = {change.subset for change in changes}
    chain = subset_chain(recipe, subset)
    first = next((i for i, plan in enumerate(chain) if plan.name in edited), len(chain) - 1)
    plans = chain[first:]
    source: Key = _POOL if plans[0].source is None else ("subsets", plans[0].source)
    scores = _scores(plans, project.graph)
    needed = list(dict.fromkeys([_POOL, source, *scores]))
    state = read_state(project)
    stored = _Stored(state, _usable_shards(state, needed))

    def rows_of(shard: str) -> pa.Table:
        return stored.read(source, shard, _UID)

    subsets = []
    for plan in plans:
        found, kept = _narrowed(stored, plan, rows_of)
        subsets.append(found)
        rows_of = kept.__getitem__
    again = _descendants(project.graph, {("subsets", name) for name in edited})
    return Preview(
        subset=subset,
        changes=changes,
        subsets=subsets,
        shards=len(stored.shards),
        unusable=[shard for shard in state.files if shard not in stored.shards],
        out_of_date=_out_of_date(state, ("subsets", subset)),
        measured_again=["/".join(key) for key in scores if key in again],
    )


def _scores(plans: list[SubsetPlan], graph: Graph) -> list[Key]:
    """The scores that the filters read.

    Raises:
        LakeError: the changed parameters ask for a score that has not been made.
    """
    owners = column_owners(graph)
    columns = [column for plan in plans for column in columns_of(plan.keep)]
    if missing := [column for column in columns if column not in owners]:
        raise LakeError(f"the preview needs {missing[0]}, which no subset of the recipe as it is filters by; edit it instead")
    return list(dict.fromkeys(owners[column] for column in columns))


def _usable_shards(state: State, needed: list[Key]) -> list[str]:
    """The pool's shards whose needed tables all have the same rows.

    Raises:
        LakeError: a partition is missing or failed a check, or no shard is left.
    """
    bad = [partition_name("/".join(key), shard) for key in needed for shard in state.files if shard not in state.versions[key]]
    if bad:
        more = f" and {len(bad) - 5:,} more" if len(bad) > 5 else ""
        raise LakeError(
            f"the preview reads {', '.join(bad[:5])}{more}, which {'is' if len(bad) == 1 else 'are'} missing or failed a "
            "check; run curate apply first"
        )
    used = [shard for shard in state.files if all(_is_aligned(state, key, shard) for key in needed)]
    if not used:
        raise LakeError(f"none of the pool's {len(state.files)} shards has tables with the same rows; run curate apply first")
    return used


def _is_aligned(state: State, key: Key, shard: str) -> bool:
    """Whether a partition exists and has the rows of the pool's present shard."""
    record = state.records[key].get(shard)
    return record is not None and record["uid_digest"] == state.records[_POOL][shard]["uid_digest"]


def _narrowed(stored: _Stored, plan: SubsetPlan, rows_of: RowsOf) -> tuple[SubsetPreview, dict[str, pa.Table]]:
    """A subset with its changed parameters, and row and uid of what it would keep, by shard."""
    keep = with_cuts(plan.keep, {fraction: _cut(stored, fraction, rows_of) for fraction in fractions(plan.keep)})
    columns = columns_of(keep)
    ledger: Key = ("decisions", plan.name)
    is_stored = all(_is_aligned(stored.state, ledger, shard) for shard in stored.shards)
    before, after = Counter(), Counter()
    added = removed = 0
    kept: dict[str, pa.Table] = {}
    for shard in stored.shards:
        rows = rows_of(shard)
        uid_hi, uid_lo = rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy()
        decisions = decide(keep, Rows(stored.scores(columns, rows, shard), uid_hi, uid_lo))
        kept[shard] = rows.filter(pa.array(decisions.is_kept))
        after.update(decisions.filter)
        if is_stored:
            decided = stored.read(ledger, shard, ["row", "filter"])
            before.update(decided["filter"].to_pylist())
            had, has = decided.filter(decided["filter"].is_null())["row"].to_numpy(), kept[shard]["row"].to_numpy()
            added += len(np.setdiff1d(has, had, assume_unique=True))
            removed += len(np.setdiff1d(had, has, assume_unique=True))
    changed = _funnel(plan, after)
    if not is_stored:
        return SubsetPreview(None, changed, None, None), kept
    return SubsetPreview(_funnel(plan, before), changed, added, removed), kept


def _funnel(plan: SubsetPlan, reasons: Counter[str | None]) -> Funnel:
    """A funnel from the filters that dropped the rows; None stands for the kept."""
    return Funnel(plan.name, plan.source or "raw_pool", reasons.total(), reasons[None], reason_counts(reasons.elements()))


def _cut(stored: _Stored, fraction: Fraction, rows_of: RowsOf) -> Condition:
    """The condition that a fraction means for the rows that would be there."""
    parts = []
    for shard in stored.shards:
        rows = stored.read(_POOL, shard, _UID) if fraction.over == "pool" else rows_of(shard)
        value = stored.scores([fraction.column], rows, shard)[fraction.column].to_numpy(zero_copy_only=False)
        parts.append((value, rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy()))
    population = (np.concatenate(part) for part in zip(*parts, strict=True))
    found = fraction_cut(*population, fraction.fraction, fraction.keep, is_parity=fraction.is_parity)
    return cut_condition(fraction, found.value, found.last_uid)


def _descendants(graph: Graph, keys: set[Key]) -> set[Key]:
    """The artifacts given and all that are made from them."""
    for node in graph.values():
        keys = keys | {node.key} if keys & set(node.inputs) else keys
    return keys


def _out_of_date(state: State, key: Key) -> dict[str, int]:
    """How many partitions are out of date of each artifact that a subset is made from, and of the subset."""
    graph, above = state.project.graph, {key}
    for node in reversed(graph.values()):
        above |= set(node.inputs) if node.key in above else set()
    counts = Counter(planned.key for planned in state.planned.values() if planned.is_certain)
    return {graph[key].name: counts[key] for key in graph if key in above and key in counts}
