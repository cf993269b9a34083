"""The cause of every row that differs: one case per cause, and random trees of filters against a row-by-row computation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.decisions import Rows, decide, passes
from curation_assets.keep import AllOf, AnyOf, Keep, Leaf, Not
from curation_assets.lineage.causes import KINDS, Cause, pool_cause, spread
from curation_assets.lineage.diff import Sides, Stage, filter_causes, only_in, places, structural_cause
from curation_assets.spec import Condition, Fraction

Columns = Mapping[str, Sequence[float | str | None]]
World = tuple[Stage, Stage, Rows, Rows]  # the old and the new filters, the old and the new values
COLUMNS = ("a", "b", "c")


def leaf(name: str, version: str = "1", **bounds: float | None) -> Leaf:
    signs = (("min", ">="), ("max", "<="))
    conditions = [Condition(name, sign, bounds[bound]) for bound, sign in signs if bounds.get(bound) is not None]
    return Leaf(name, {"min": None, "max": None, **bounds}, version, tuple(conditions))


def stage(*parts: Keep, name: str = "train", source: str | None = None) -> Stage:
    return Stage(name, source, AllOf(parts), AllOf(parts))


def cut_stage(fraction: float, cut: float, population: int) -> Stage:
    of = Fraction("a", fraction, "high", "source")
    raw = Leaf("a", {"top_fraction": fraction, "over": "source"}, "1", (of,))
    resolved = replace(raw, conditions=(Condition("a", ">=", cut),))
    return Stage("train", None, AllOf((raw,)), AllOf((resolved,)), {of: population})


def rows(columns: Columns) -> Rows:
    n = len(next(iter(columns.values())))
    arrays = {k: pa.array(v, pa.string() if any(isinstance(x, str) for x in v) else pa.float64()) for k, v in columns.items()}
    return Rows(arrays, np.arange(n, dtype=np.int64), np.zeros(n, np.int64))


def only_cause(old: Stage, new: Stage, before: float | str | None, after: float | str | None, reason: str = "") -> Cause:
    """The cause of one row, which one of the sides keeps, from its values of column a; column b is 1."""
    values = [rows({"a": [value], "b": [1.0]}) for value in (before, after)]
    kept = [bool(passes(side.resolved, value)[0]) for side, value in zip((old, new), values, strict=True)]
    assert sorted(kept) == [False, True]
    is_added = kept[1]
    keeping, dropping = (1, 0) if is_added else (0, 1)
    stages = (old, new)
    name = decide(stages[dropping].resolved, values[dropping]).filter[0]
    structural = structural_cause([stages[keeping]], [stages[dropping]], ("train", name), is_added=is_added)
    if structural is not None:
        return structural
    sides = Sides(stages[keeping], stages[dropping], name, values[keeping], values[dropping])
    causes, codes = filter_causes(sides, lambda column, anywhere: reason, is_added=is_added)
    assert codes.tolist() == [0]
    return causes[0]


LOOSE, STRICT = stage(leaf("a", min=0.2)), stage(leaf("a", min=0.3))
WIDE, NARROW = stage(leaf("a", min=0.1, max=0.4)), stage(leaf("a", min=0.2, max=0.9))
ENCODER, GREW = "because the encoder changed", "its population changed: 10 -> 20 rows"


@pytest.mark.parametrize(
    ("old", "new", "before", "after", "text"),
    [
        (LOOSE, STRICT, 0.25, 0.25, "parameter: train.a.min 0.2 -> 0.3"),
        (STRICT, LOOSE, 0.25, 0.25, "parameter: train.a.min 0.3 -> 0.2"),
        (LOOSE, STRICT, 0.25, 0.1, "parameter: train.a.min 0.2 -> 0.3"),  # either alone suffices
        (LOOSE, STRICT, 0.5, 0.1, f"score changed: a, {ENCODER}"),
        (LOOSE, STRICT, 0.5, 0.25, f"score changed: a, {ENCODER}"),  # only both together drop it
        (LOOSE, LOOSE, 0.5, 0.1, f"score changed: a, {ENCODER}"),
        (LOOSE, LOOSE, 0.5, None, f"score missing: a, {ENCODER}"),
        (LOOSE, LOOSE, None, 0.5, f"score missing: a, {ENCODER}"),
        (LOOSE, stage(leaf("a", min=0.2, max=0.4)), 0.5, 0.5, "parameter: train.a.max None -> 0.4"),
        (WIDE, NARROW, 0.5, 0.5, "parameter: train.a.max 0.4 -> 0.9"),
        (WIDE, NARROW, 0.15, 0.15, "parameter: train.a.min 0.1 -> 0.2"),
        (stage(leaf("b", min=0)), stage(leaf("b", min=0), leaf("a", min=0.2)), 0.1, 0.1, "filter added: train.a"),
        (stage(leaf("b", min=0), leaf("a", min=0.2)), stage(leaf("b", min=0)), 0.1, 0.1, "filter removed: train.a"),
        (LOOSE, stage(leaf("a", min=0.2), leaf("a", max=0.4)), 0.5, 0.5, "filter added: train.a"),
        (stage(Not(leaf("a", min=0.3))), stage(Not(leaf("a", min=0.2))), 0.25, 0.25, "parameter: train.a.min 0.3 -> 0.2"),
        (cut_stage(0.5, 0.2, 10), cut_stage(0.5, 0.3, 20), 0.25, 0.25, f"cut moved: train.a, {GREW}"),
        (cut_stage(0.5, 0.2, 10), cut_stage(0.5, 0.3, 10), 0.25, 0.25, f"cut moved: train.a, {ENCODER}"),
        (cut_stage(0.5, 0.2, 10), cut_stage(0.4, 0.3, 20), 0.25, 0.25, "parameter: train.a.top_fraction 0.5 -> 0.4"),
        (LOOSE, stage(replace(STRICT.keep.parts[0], parameters=LOOSE.keep.parts[0].parameters, version="2")), 0.25, 0.25,
         "filter changed: train.a version 1 -> 2"),
    ],
)  # fmt: skip
def test_cause_of_one_row(old: Stage, new: Stage, before: float | None, after: float | None, text: str) -> None:
    assert only_cause(old, new, before, after, ENCODER).text == text


def test_a_text_that_becomes_a_number_changes_the_filter() -> None:
    english = stage(Leaf("a", {}, "1", (Condition("a", "==", "en"),)))
    cause = only_cause(english, replace(LOOSE, keep=AllOf((leaf("a", "2", min=0.2),))), "en", 0.1)
    assert (cause.kind, cause.old, cause.new) == ("filter_changed", "1", "1")


def test_a_side_that_does_not_follow_from_its_scores_is_said_to_be_out_of_date() -> None:
    kept = rows({"a": [0.5]})
    causes, codes = filter_causes(Sides(LOOSE, LOOSE, "a", kept, kept), lambda column, anywhere: "", is_added=True)
    assert ([cause.kind for cause in causes], codes.tolist()) == (["out_of_date"], [0])


def test_chains_that_differ() -> None:
    base, other = stage(leaf("a", min=0), name="base"), stage(leaf("b", min=0), name="other")
    train, of_other = stage(leaf("c", min=0), source="base"), stage(leaf("c", min=0), source="other")
    of_pool = stage(leaf("c", min=0))
    found = structural_cause([base, train], [other, of_other], ("other", "b"), is_added=False)
    assert found.text == "source changed: train from base -> other"
    assert structural_cause([base, train], [other, of_other], ("other", "b"), is_added=True).text.endswith("from other -> base")
    assert structural_cause([base, train], [of_pool], ("train", "c"), is_added=False) is None
    found = structural_cause([of_pool], [base, train], ("base", "a"), is_added=True)
    assert found.text == "source changed: train from base -> raw_pool"
    assert structural_cause([base], [base, train], ("train", "c"), is_added=False).text == "filter added: train.c"
    renamed = replace(train, subset="train_2")
    assert structural_cause([base, renamed], [base, train], ("train", "c"), is_added=False) is None


@pytest.mark.parametrize(
    ("is_added", "has_shard", "rejected", "text"),
    [
        (True, False, None, "shard added"),
        (False, False, None, "shard removed"),
        (True, True, None, "file changed"),
        (False, True, "takedown:T-7", "takedown:T-7"),
        (False, True, "image_bomb", "rejected at ingest: image_bomb"),
    ],
)
def test_samples_that_are_not_in_the_other_pool(is_added: bool, has_shard: bool, rejected: str | None, text: str) -> None:
    assert pool_cause(is_added=is_added, has_shard=has_shard, rejected=rejected).text == text


def test_every_kind_has_words_and_a_mirror() -> None:
    for kind in KINDS:
        cause = Cause(kind, "s", "f", "c", "p", 1, 2, "d")
        assert cause.text
        assert cause.mirrored.mirrored == replace(cause, detail=None)
        assert cause.mirrored.kind in KINDS


uids = st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), max_size=30)


def halves(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


@given(uids, uids)
def test_uids_of_one_side_only(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    assert places(halves(a), halves(b)).tolist() == [a.index(uid) if uid in a else -1 for uid in b]
    assert only_in(halves(a), halves(b)).tolist() == [i for i, uid in enumerate(a) if uid not in b and a.index(uid) == i]


@given(st.lists(st.integers(0, 3), max_size=20), st.integers(0, 25))
def test_samples_are_spread_over_the_causes(codes: list[int], most: int) -> None:
    hi = np.arange(len(codes), dtype=np.int64)[::-1]
    found = spread(np.array(codes, np.int64), (hi, hi * 0), most)
    ranked = sorted((sum(c == codes[i] for c in codes[i + 1 :]), codes[i], i) for i in range(len(codes)))
    assert found.tolist() == [i for _, _, i in ranked[:most]]


numbers = st.sampled_from([None, 0.0, 1.0, 2.0, 3.0])
bounds = st.sampled_from([0.0, 1.0, 2.0, 3.0])


@st.composite
def leafs(draw: st.DrawFn) -> Leaf:
    low, high = draw(bounds), draw(st.one_of(st.none(), bounds))
    return leaf(draw(st.sampled_from(COLUMNS)), min=low, max=high)


parts = st.one_of(
    leafs(), leafs().map(Not), st.tuples(leafs(), leafs()).map(AnyOf), st.tuples(leafs(), leafs()).map(AllOf).map(Not)
)
trees = st.lists(parts, min_size=1, max_size=3)


@st.composite
def edited(draw: st.DrawFn, tree: Keep) -> Keep:
    """The same tree with other bounds."""
    match tree:
        case Leaf():
            return leaf(tree.name, min=draw(bounds), max=tree.parameters["max"])
        case Not(part):
            return Not(draw(edited(part)))
        case AllOf(inner) | AnyOf(inner):
            return type(tree)(tuple(draw(edited(part)) for part in inner))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    old = draw(trees)
    new = draw(st.one_of(st.just(old), trees, st.tuples(*(edited(part) for part in old)).map(list)))
    n = draw(st.integers(1, 12))
    before = {name: draw(st.lists(numbers, min_size=n, max_size=n)) for name in COLUMNS}
    after = {name: draw(st.one_of(st.just(v), st.lists(numbers, min_size=n, max_size=n))) for name, v in before.items()}
    return stage(*old), stage(*new), rows(before), rows(after)


def compared(old: Stage, new: Stage, before: Rows, after: Rows) -> dict[tuple[int, bool], list[Cause]]:
    """Causes of each differing row, by its number and whether it came."""
    kept = [passes(side.resolved, values) for side, values in ((old, before), (new, after))]
    found: dict[tuple[int, bool], list[Cause]] = {}
    for is_added in (True, False):
        (keeping, has), (dropping, lost) = ((new, after), (old, before)) if is_added else ((old, before), (new, after))
        at = np.flatnonzero(kept[is_added] & ~kept[not is_added])
        labels = decide(dropping.resolved, lost).filter
        for name in dict.fromkeys(labels[at].tolist()):
            own = at[labels[at] == name]
            taken = [_taken(values, own) for values in (has, lost)]
            structural = structural_cause([keeping], [dropping], ("train", name), is_added=is_added)
            sides = Sides(keeping, dropping, name, *taken)
            causes, codes = [structural], [0] * len(own)
            if structural is None:
                causes, codes = filter_causes(sides, lambda c, anywhere: "", is_added=is_added)
            for i, code in zip(own.tolist(), list(codes), strict=True):
                found.setdefault((i, is_added), []).append(causes[code])
    return found


def _taken(values: Rows, at: np.ndarray) -> Rows:
    return Rows({k: v.take(pa.array(at)) for k, v in values.columns.items()}, values.uid_hi[at], values.uid_lo[at])


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_every_differing_row_has_one_cause_and_the_diff_leads_from_one_side_to_the_other(
    world: tuple[Stage, Stage, Rows, Rows],
) -> None:
    old, new, before, after = world
    found = compared(old, new, before, after)
    a, b = (set(np.flatnonzero(passes(s.resolved, v)).tolist()) for s, v in ((old, before), (new, after)))
    assert (a | {i for i, is_added in found if is_added}) - {i for i, is_added in found if not is_added} == b
    assert all(len(causes) == 1 and causes[0].kind != "out_of_date" for causes in found.values())
    mirror = compared(new, old, after, before)
    assert {(i, not came): [cause.mirrored for cause in causes] for (i, came), causes in mirror.items()} == {
        key: [cause.mirrored.mirrored for cause in causes] for key, causes in found.items()
    }


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_conditions_are_the_cause_exactly_where_they_alone_drop_the_row(world: World) -> None:
    old, new, before, after = world
    for (i, is_added), [cause] in compared(old, new, before, after).items():
        if cause.kind not in ("parameter", "score_changed", "score_missing"):
            continue
        has, dropping, lost = (after, old, before) if is_added else (before, new, after)
        one = [_taken(values, np.array([i])) for values in (has, lost)]
        failing = decide(dropping.resolved, one[1]).filter[0]
        drop = next(part for _, part in dropping.parts(failing) if not passes(part, one[1])[0])
        assert (cause.kind == "parameter") == (not passes(drop, one[0])[0])
        if cause.kind != "parameter":
            values = [value.columns[cause.column][0].as_py() for value in one]
            assert values[0] != values[1]
            assert (cause.kind == "score_missing") == (values[1] is None)
        else:
            assert cause.old != cause.new
