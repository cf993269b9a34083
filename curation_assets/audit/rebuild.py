"""A version decided once more: every cut and every subset of its chain from the frozen raw_pool and the frozen scores."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.order_statistics import streamed_cut
from curation_assets.holdings.state import State
from curation_assets.holdings.stored import Read, decided, population
from curation_assets.keep import fractions
from curation_assets.nodes import cut_key
from curation_assets.recipe import SubsetPlan
from curation_assets.recipe_override import subset_chain
from curation_assets.spec import Fraction
from curation_assets.tables import Key

from .findings import Verified
from .versions import Version

_IDENTITY = ["row", "uid_hi", "uid_lo"]
# Rows of a subset by shard: row, uid_hi, uid_lo.
Rows = dict[str, pa.Table]


def rebuild(version: Version, state: State, members: pa.Table, verified: Verified) -> None:
    """Decide the whole chain again, and compare what is kept with what was published.

    After a redaction the stored cuts are taken as they are: a cut is a place among rows of which some are gone.

    Args:
        version: with its manifest.
        state: of its frozen tables.
        members: its rows.
        verified: takes what differs.

    Raises:
        CurationError: something cannot be decided.
    """
    found: dict[Key, Rows] = {}
    for plan in subset_chain(state.project.recipe, version.dataset):
        key: Key = ("subsets", plan.name)
        if reason := _obstacle(version, state, plan, verified):
            verified.not_rebuildable[plan.name] = reason
            found[key] = {shard: _reader(state, {}, shard)(key, _IDENTITY) for shard in state.shards}
            continue
        for number, fraction in enumerate(fractions(plan.keep)):
            if not verified.redactions:
                _check_cut((plan.name, number, fraction), state, found, verified)
        found[key] = {shard: _decided(plan, state, (found, shard), verified) for shard in state.shards}
        verified.rebuilt.append(plan.name)
    kept = {(shard, row) for shard, rows in found["subsets", version.dataset].items() for row in rows["row"].to_pylist()}
    published = set(zip(members["pool_shard"].to_pylist(), members["pool_row"].to_pylist(), strict=True))
    if kept != published:
        more, less = (", ".join(f"{s}[{r}]" for s, r in sorted(a)[:3]) for a in (kept - published, published - kept))
        verified.compare(
            "other rows are kept than were published", "members", f"also {less or 'none'}", f"also {more or 'none'}"
        )


def _obstacle(version: Version, state: State, plan: SubsetPlan, verified: Verified) -> str:
    """Why a subset cannot be decided again; empty if it can."""
    keys: list[Key] = [("subsets", plan.name), *(cut_key(plan.name, i) for i, _ in enumerate(fractions(plan.keep)))]
    inputs = version.manifest["inputs"]
    for key in keys:
        node, name = state.project.graph[key], "/".join(key)
        then = inputs.get(name) if isinstance(inputs, Mapping) else None
        if not isinstance(then, Mapping) or then.get("code_version") != node.code_version:
            return f"{name} was made by another version of the code than {node.code_version}"
        if then.get("parameters") != node.parameters:
            return f"the present code reads other filters from the recipe of {name}"
    gone = [key for key in keys[1:] if not len(_reader(state, {}, "")(key, None))]
    gone += [key for key in state.project.graph[keys[0]].inputs if len(state.versions[key]) < len(state.records[key])]
    if gone and verified.redactions:
        return f"not rebuildable after redaction: {'/'.join(gone[0])} named a removed sample"
    return ""


def _check_cut(cut: tuple[str, int, Fraction], state: State, found: Mapping[Key, Rows], verified: Verified) -> None:
    """Compare a stored cut with that of the frozen population."""
    subset, number, fraction = cut
    key, graph = cut_key(subset, number), state.project.graph
    source = graph[key].inputs[0]
    again = streamed_cut(
        lambda: (population(_reader(state, found, shard), graph, source, fraction.column) for shard in state.shards),
        fraction.fraction,
        fraction.keep,
        is_parity=fraction.is_parity,
    )
    names = ("population", "cut_rows", "cut_value", "cut_uid_hi", "cut_uid_lo")
    halves = [int(half) for half in np.array(again.last_uid, np.uint64).view(np.int64)]
    stored = _reader(state, found, "")(key, list(names)).to_pylist()
    expected = [dict(zip(names, (again.population, again.rows, again.value, *halves), strict=True))]
    verified.compare("the cut of the frozen scores is another", "/".join(key), expected, stored)


def _decided(plan: SubsetPlan, state: State, place: tuple[Mapping[Key, Rows], str], verified: Verified) -> pa.Table:
    """Rows of a shard that a subset keeps, compared with its frozen rows and with its frozen ledger."""
    found, shard = place
    read = _reader(state, found, shard)
    rows = read(("raw_pool",) if plan.source is None else ("subsets", plan.source), _IDENTITY)
    decisions = decided(read, state.project.graph, plan, rows)
    again = {"row": rows["row"].to_pylist(), "is_kept": decisions.is_kept.tolist(), "filter": decisions.filter.tolist()}
    ledger = read(("decisions", plan.name), list(again)).to_pydict()
    _compare_rows((f"decisions/{plan.name}[{shard}]", "decides otherwise"), ledger, again, verified)
    kept = rows.filter(pa.array(decisions.is_kept))
    subset = read(("subsets", plan.name), _IDENTITY).to_pydict()
    _compare_rows((f"subsets/{plan.name}[{shard}]", "keeps other rows"), subset, kept.to_pydict(), verified)
    return kept


def _compare_rows(
    about: tuple[str, str], stored: Mapping[str, list[object]], again: Mapping[str, list[object]], verified: Verified
) -> None:
    """A finding that names the first row in which two sets of columns differ."""
    where, what = about
    if stored == again:
        return
    old, new = (list(zip(*columns.values(), strict=True)) for columns in (stored, again))
    first = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    shown = [str(dict(zip(stored, side[first], strict=True))) if first < len(side) else "no such row" for side in (new, old)]
    verified.compare(f"{what} than the frozen scores say", f"{where}, place {first}", *shown)


def _reader(state: State, found: Mapping[Key, Rows], shard: str) -> Read:
    """Reads a partition of the frozen tables, or rows that were just decided."""

    def read(key: Key, columns: list[str] | None) -> pa.Table:
        if key in found:
            return found[key][shard].select(columns or _IDENTITY)
        return state.snapshots[key].read(shard if state.project.graph[key].is_sharded else None, columns)

    return read
