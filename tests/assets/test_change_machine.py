"""Whatever changes in whatever order, the tables end as a build from scratch has them, with no work that was not needed."""

import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from curation_assets.algorithms.digest import json_digest
from curation_assets.assets.apply import Applied, Settings
from curation_assets.assets.plan import plan_project
from curation_assets.holdings.project import Project, open_project
from curation_assets.holdings.state import State, read_state
from curation_assets.recipe import check_recipe
from tests.changing_lake import Clip, Files, Sample, Tables, needed, passed_limit, read_tables, steps, vacuum, watched_writes
from tests.small_project import run_apply

NAMES = ("00000", "00001", "00002", "00003")
CUTS = ({"top_fraction": 0.5}, {"top_fraction": 0.3}, {"top_fraction": 1.0}, {"min": -0.1}, {"min": 0.1})
POLICIES = ("always", "frozen", "refit_on_drift")
SELECTED = ("raw_pool", "subsets/basic", "centroids", "scores/*", "cluster_assignments", "embeddings[00000]")
SAMPLES = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 3))
SHARDS = st.lists(SAMPLES, max_size=5)
NUMBERS = st.integers(0, 11)
# What follows a change: apply; nothing, until the next; apply a part, perhaps forget the history, and then apply all; apply,
# but stop at a commit, and apply again.
KILLS = st.tuples(st.sampled_from(["signal", "error"]), st.sampled_from(["before", "after"]), st.integers(1, 14))
THENS = st.one_of(
    st.sampled_from(["apply", "apply", "wait"]),
    st.sampled_from(SELECTED).map(lambda name: f"select {name}"),
    st.just("vacuum cluster_assignments"),
    KILLS.map(lambda kill: " ".join(map(str, kill))),
)
OTHER_SUBSETS = {
    "far": {"from": "basic", "keep": [{"prototype_distance": {"top_fraction": 0.6}}]},
    "farthest": {"from": "aligned", "keep": [{"prototype_distance": {"top_fraction": 0.4, "over": "pool"}}]},
    "unique": {"keep": [{"semdedup_similarity": {"max": 0.3}}]},
}
_from_scratch: dict[str, Tables] = {}  # by all that decides them


class Changes(RuleBasedStateMachine):
    """A pool and a recipe that change, a lake that follows, and lakes made from scratch to compare it with."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="changes-"))
        self.files, self.main = Files(self.folder), self.folder / "main"
        self.instance = dg.DagsterInstance.ephemeral()
        self.encoder = "first.pt"
        self.clusters: dict[str, object] = {"fit": 1}
        self.basic: list[object] = ["english_caption", {"caption_length": {"min_words": 2}}]
        aligned = {"from": "basic", "keep": [{"clip_score": CUTS[0]}]}
        self.subsets: dict[str, object] = {"aligned": aligned, "unique": OTHER_SUBSETS["unique"]}

    def teardown(self) -> None:
        self.instance.dispose()
        shutil.rmtree(self.folder)

    @initialize(shards=st.lists(SHARDS, min_size=1, max_size=3), policy=st.sampled_from(POLICIES))
    def begin(self, shards: list[list[Sample]], policy: str) -> None:
        self.clusters["policy"] = policy
        for name in ("first.pt", "second.pt"):
            self.files.write_weights(name, 0)
        for name, samples in zip(NAMES, shards, strict=False):
            self.files.write(name, samples)
        self.settle("apply")

    @precondition(lambda self: len(self.files.tars) < len(NAMES))
    @rule(samples=SHARDS, then=THENS)
    def add_shard(self, samples: list[Sample], then: str) -> None:
        self.files.write(NAMES[len(self.files.tars)], samples)
        self.settle(then)

    @rule(number=NUMBERS, order=st.randoms(use_true_random=False), new=SHARDS, then=THENS)
    def replace_shard(self, number: int, order: random.Random, new: list[Sample], then: str) -> None:
        name = self.files.present[number % len(self.files.present)]
        old = order.sample(self.files.tars[name], order.randint(0, len(self.files.tars[name])))
        edited = [(uid, order.choice([image, 5]), order.choice([caption, 3])) for uid, image, caption in old]
        self.files.write(name, [*edited, *new[:2]])
        self.settle(then)

    @rule(number=NUMBERS, then=THENS)
    def replace_by_equal_bytes(self, number: int, then: str) -> None:
        name = self.files.present[number % len(self.files.present)]
        self.files.write(name, self.files.tars[name])
        self.settle(then)

    @precondition(lambda self: len(self.files.present) > 1)
    @rule(number=NUMBERS, then=THENS)
    def remove_shard(self, number: int, then: str) -> None:
        self.files.take_away(self.files.present[number % len(self.files.present)])
        self.settle(then)

    @rule(number=NUMBERS, then=THENS)
    def make_unreadable(self, number: int, then: str) -> None:
        name = self.files.present[number % len(self.files.present)]
        self.files.make_unreadable(name)
        self.settle(then)

    @precondition(lambda self: self.files.away)
    @rule(number=NUMBERS, then=THENS)
    def bring_back_or_repair(self, number: int, then: str) -> None:
        self.files.bring_back(self.files.away[number % len(self.files.away)])
        self.settle(then)

    @rule(cut=st.sampled_from(CUTS), over=st.sampled_from(["source", "pool"]), then=THENS)
    def edit_cut(self, cut: dict[str, float], over: str, then: str) -> None:
        self.subsets["aligned"] = {"from": "basic", "keep": [{"clip_score": {**cut, "over": over}}]}
        self.settle(then)

    @rule(min_words=st.integers(1, 6), is_english=st.booleans(), then=THENS)
    def edit_caption_rule(self, min_words: int, is_english: bool, then: str) -> None:
        self.basic = [*(["english_caption"] if is_english else []), {"caption_length": {"min_words": min_words}}]
        self.settle(then)

    @rule(name=st.sampled_from(sorted(OTHER_SUBSETS)), then=THENS)
    def add_or_remove_subset(self, name: str, then: str) -> None:
        if self.subsets.pop(name, None) is None:
            self.subsets[name] = OTHER_SUBSETS[name]
        self.settle(then)

    @rule(name=st.sampled_from(["first.pt", "second.pt"]), seed=st.integers(0, 1), then=THENS)
    def change_encoder(self, name: str, seed: int, then: str) -> None:
        self.encoder = name
        self.files.write_weights(name, seed)
        self.settle(then)

    @rule(policy=st.sampled_from(POLICIES), refit=st.booleans(), then=THENS)
    def edit_clusters(self, policy: str, refit: bool, then: str) -> None:
        self.clusters = {"policy": policy, "fit": int(str(self.clusters["fit"])) + refit}
        self.settle(then)

    def settle(self, then: str) -> None:
        """Apply what has changed as `then` says, and see that everything is right and nothing is left to do."""
        how, _, rest = then.partition(" ")
        if how == "wait":
            return
        if how in ("select", "vacuum"):
            self._apply((rest,))
            if how == "vacuum":
                vacuum(self.main / "lake")
        elif how != "apply":
            with watched_writes(then), suppress(KeyboardInterrupt):
                self._run()
        state = self._apply()
        found, wanted = read_tables(state), self._scratch(state)
        wrong = [name for name, (version, rows, inputs) in found.items() if not rows.equals(wanted[name][1])]
        assert wrong == [], "other rows than made from scratch"
        assert {name: one[::2] for name, one in found.items()} == {name: one[::2] for name, one in wanted.items()}

    def _apply(self, select: tuple[str, ...] = ()) -> State:
        """Apply, and see that it made what was planned, each once and with need, and that nothing is left to do."""
        before = read_state(self._project())
        planned = {one.name: one.is_certain for one in plan_project(before, select).due}
        with watched_writes() as written:
            made = self._run(select)
        after, runs = read_state(self._project()), self.instance.get_runs_count()
        written = [name for name in written if name != "_failures"]
        looked_at = steps(name.removeprefix("record of ") for name in written)
        assert (made.failed, made.held_back) == ({}, {})
        assert set(made.materialized) == {name for name in written if not name.startswith("record")}
        is_as_planned = steps(name for name in planned if planned[name]) <= looked_at <= steps(planned)
        # Drift is known only once everything is assigned, and may then ask for one more round.
        has_drifted = passed_limit(made.materialized.get("centroids", []))
        assert has_drifted or (is_as_planned and len(written) == len(set(written))), (planned, written)
        needs = [name for name, reasons in made.materialized.items() if needed(before, after, name, reasons)]
        assert steps(made.materialized) - steps(needs) == set(), "made without need"
        assert plan_project(after, select).due == []
        with watched_writes() as written:
            assert not self._run(select).materialized
        assert (written, self.instance.get_runs_count()) == ([], runs)
        return after

    def _scratch(self, state: State) -> Tables:
        """The tables of another lake over the same pool; centroids that stay are copied, as they depend on what once was."""
        policy = "always" if self.clusters["policy"] == "always" else "frozen"
        record = state.records["centroids",][None]
        centroids = record["data_version"] if policy == "frozen" and record["rows"] else ""
        recipe = [self.basic, self.subsets, self.clusters["fit"], policy, self.encoder, self.files.weights[self.encoder]]
        digest = json_digest([self.files.readable, recipe, centroids])
        if digest not in _from_scratch:
            folder = self.folder / "scratch"
            shutil.copytree(self.main, folder, ignore=shutil.ignore_patterns("lake"))
            if centroids:
                shutil.copytree(self.main / "lake" / "centroids", folder / "lake" / "centroids")
            project = self._project(folder, policy)
            with dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
                patch.setattr("curation_assets.assets.encoder._loaded", {}, raising=False)  # as in a process of its own
                made = run_apply(project, instance, Clip(folder / self.encoder))
            assert (made.failed, made.held_back, bool(centroids)) == ({}, {}, "centroids" not in made.materialized)
            _from_scratch[digest] = read_tables(read_state(project))
            shutil.rmtree(folder)
        return _from_scratch[digest]

    def _run(self, select: tuple[str, ...] = ()) -> Applied:
        return run_apply(self._project(), self.instance, Clip(self.main / self.encoder), Settings(select))

    def _project(self, folder: Path | None = None, policy: str = "") -> Project:
        content = {
            "lake": "lake",
            "pool": {"path": "pool/*.tar", "max_removed_fraction": 1},
            "encoder": {"model": "tiny", "pretrained": self.encoder},
            "clusters": {**self.clusters, **({"policy": policy} if policy else {})},
            "subsets": {"basic": {"keep": self.basic}, **self.subsets},
        }
        return open_project(check_recipe(content, (folder or self.main) / "curation.yaml"))


def check(examples: int, length: int, *, derandomize: bool) -> None:
    slow = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}
    how = settings(max_examples=examples, stateful_step_count=length, derandomize=derandomize, **slow)
    run_state_machine_as_test(Changes, settings=how)


@pytest.mark.slow
def test_a_few_changes_end_as_if_made_from_scratch() -> None:
    check(2, 4, derandomize=True)


@pytest.mark.slow
def test_any_changes_end_as_if_made_from_scratch() -> None:
    check(6, 10, derandomize=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shards", "change"),
    [
        ([[(0, 2, 0)]], lambda changes: None),
        ([[]], lambda changes: changes.add_shard([(1, 5, 0), (2, 6, 0)], "apply")),
        ([[(1, 5, 0)]], lambda changes: changes.change_encoder("first.pt", 1, "apply")),
        ([[(1, 5, 0)], [(2, 5, 3)]], lambda changes: changes.remove_shard(0, "vacuum cluster_assignments")),
    ],
    ids=["one sample", "centroids of nothing", "other weights in one file", "a row that left behind a vacuum"],
)
def test_changes_that_once_went_wrong(shards: list[list[Sample]], change: Callable[[Changes], None]) -> None:
    changes = Changes()
    try:
        changes.begin(shards=shards, policy="frozen")
        change(changes)
    finally:
        changes.teardown()
