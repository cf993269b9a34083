"""What a version was made with, as its manifest tells: recipe, filters, code, packages, encoder, inputs, and the funnel."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

from curation_assets.algorithms.digest import json_digest
from curation_assets.holdings.state import State
from curation_assets.holdings.status import Funnel, pool_funnel, subset_funnels
from curation_assets.keep import describe
from curation_assets.recipe_override import subset_chain
from curation_assets.tables import Key

_PACKAGES = ("dagster", "deltalake", "pyarrow", "numpy", "torch", "open_clip_torch", "faiss-cpu", "faiss-gpu", "pillow")


def circumstances(state: State, keys: list[Key], subset: str) -> dict[str, object]:
    """Fields of the manifest of a version that is made of these artifacts."""
    chain = subset_chain(state.project.recipe, subset)
    encoder = state.snapshots.get(("encoder",)) if ("encoder",) in keys else None
    return {
        "recipe": state.project.recipe.file.model_dump(mode="json", by_alias=True),
        "filters": [{"subset": plan.name, "from": plan.source, "keep": describe(plan.keep)} for plan in chain],
        "funnel": [asdict(stage) for stage in funnel(state, subset)],
        "encoder": encoder.read(None).to_pylist()[0] if encoder else None,
        "inputs": {"/".join(key): _input(state, key) for key in keys},
        "packages": {"python": python_version(), **{name: found for name in _PACKAGES if (found := _package(name))}},
    }


def funnel(state: State, subset: str) -> list[Funnel]:
    """From the files of the pool down to a subset: rows in, kept, and dropped by reason, of every stage."""
    funnels = {found.subset: found for found in subset_funnels(state)}
    stages = [plan.name for plan in subset_chain(state.project.recipe, subset)]
    return [pool_funnel(state), *(funnels[name] for name in stages)]


def partitions_digest(versions: Mapping[str | None, object]) -> str:
    """One digest over the data versions of an artifact's partitions."""
    return json_digest({shard or "": str(found) for shard, found in versions.items()})


def records_digest(records: Mapping[str | None, Mapping[str, object]]) -> str:
    """The same of the partitions of a stored table, from their records."""
    return partitions_digest({shard: record.get("data_version") for shard, record in records.items()})


def _input(state: State, key: Key) -> dict[str, object]:
    """An artifact that the version was made from; its partitions' own records lie in the frozen table's log."""
    node, found = state.project.graph[key], state.versions[key]
    parts = {shard: version for shard, version in found.items() if shard is None or shard in state.files}
    return {
        "delta_version": state.snapshots[key].version,
        "code_version": node.code_version,
        "parameters": dict(node.parameters),
        "partitions": len(parts),
        "data_versions": partitions_digest(parts),
    }


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
