"""A subset's shard as it was stored before a step makes it again: its rows, its ledger, its filters, and the values of then."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from curation_assets.algorithms.labels import label_of
from curation_assets.errors import LakeError, RecipeError
from curation_assets.holdings.state import State
from curation_assets.holdings.stored import stored_stage
from curation_assets.keep import AllOf, AnyOf, Keep, Leaf, Not, describe
from curation_assets.lineage.diff import Stage
from curation_assets.lineage.freshness import partition_name
from curation_assets.recipe import Recipe, SubsetPlan, recipe_instances
from curation_assets.recipe_keep import KeepReader
from curation_assets.tables import Key

from .step import Step


@dataclass(frozen=True)
class Former:
    """What a step's lake holds of a subset's shard before the step is stored."""

    step: Step
    plan: SubsetPlan

    @property
    def record(self) -> Mapping[str, object]:
        return self.step.state.records[self.step.node.key][self.step.shard]

    def rows(self) -> pa.Table:
        """Rows that were in the subset."""
        return self._stored("subsets", ["row", "uid_hi", "uid_lo"])

    def ledger(self) -> pa.Table:
        """What was decided of each row of the source."""
        return self._stored("decisions", ["row", "uid_hi", "uid_lo", "is_kept", "filter"])

    def stage(self) -> Stage:
        """The filters of then with the cuts of then.

        Raises:
            RecipeError: the present code has no such filters.
            LakeError: the cuts are no longer stored.
        """
        parameters = self.record["parameters"]
        described = parameters["keep"] if isinstance(parameters, Mapping) else None
        keep = self.plan.keep if described == describe(self.plan.keep) else read_keep(described, self.step.project.recipe)
        return stored_stage(self.read, replace(self.plan, keep=keep if isinstance(keep, AllOf) else AllOf((keep,))))

    def read(self, key: Key, columns: list[str] | None = None) -> pa.Table:
        """Columns of an input as the step before this one read it.

        Raises:
            LakeError: it is no longer stored.
        """
        node, inputs = self.step.project.graph.get(key), self.record["inputs"]
        part = self.step.shard if node is not None and node.is_sharded else None
        name = partition_name("/".join(key), part)
        version = inputs.get(name) if isinstance(inputs, Mapping) else None
        if node is None or version is None:
            raise LakeError(f"{name} was not read before, or is no longer made")
        names = columns or list(node.table.names)
        found = self.step.project.lake.read_content(node.name, part, ("data_version", version), names)
        if found is None:
            raise LakeError(f"{name} as it was is no longer stored")
        return found

    def has_values_of_now(self, key: Key) -> bool:
        """Whether an input is what it was."""
        inputs, now = self.record["inputs"], self.step.fingerprint.inputs
        node = self.step.project.graph[key]
        name = partition_name(node.name, self.step.shard if node.is_sharded else None)
        return isinstance(inputs, Mapping) and inputs.get(name) == now.get(name)

    def _stored(self, group: str, columns: list[str]) -> pa.Table:
        found = self.step.state.snapshots[(group, self.plan.name)]
        if found is None:
            raise LakeError(f"no table {group}/{self.plan.name} yet")
        return found.read(self.step.shard, columns)


def read_keep(described: object, recipe: Recipe) -> Keep:
    """A tree of filters from what a record says of it: the reverse of `keep.describe`.

    Raises:
        RecipeError: the present code or recipe does not know such filters.
    """
    if isinstance(described, Mapping):
        if "not" in described:
            return Not(read_keep(described["not"], recipe))
        for name, kind in (("any", AnyOf), ("all", AllOf)):
            if isinstance(parts := described.get(name), list):
                return kind(tuple(read_keep(part, recipe) for part in parts))
        settings = {name: value for name, value in described.items() if name not in ("filter", "version")}
        faults: list[str] = []
        found = KeepReader(recipe_instances(recipe.file), faults).read_list([{described.get("filter"): settings}], ("keep",))
        if not faults and len(found) == 1 and isinstance(found[0], Leaf):
            return replace(found[0], version=str(described.get("version")))
    raise RecipeError(f"filters of a former recipe cannot be read any more: {str(described)[:200]}")


def recorded_reason(state: State, key: Key, shard: str | None) -> str:
    """Why a partition was last made, down to the artifact where the change began; empty when the records do not say."""
    node = state.project.graph.get(key)
    record = state.records.get(key, {}).get(shard if node is not None and node.is_sharded else None, {})
    lines = [str(line) for line in record.get("reasons") or []]
    if label_of(key, "encoder") is not None:
        return f"because the {'/'.join(key)} changed"
    own = [line for line in lines if line.startswith(("code version", "parameter"))]
    encoders = [source for source in (() if node is None else node.inputs) if label_of(source, "encoder") is not None]
    if any(line.startswith(f"input {'/'.join(source)}:") for source in encoders for line in lines):
        return f"because the {'/'.join(encoders[0])} changed"
    if own:
        return f"{'/'.join(key)}: {own[0]}"
    for line in sorted(lines, key=lambda text: text.startswith("input raw_pool")):
        if line.startswith("input "):
            name = line.removeprefix("input ").split(":")[0].partition("[")[0]
            return recorded_reason(state, tuple(name.split("/")), shard) or f"because {name} changed"
    return ""
