"""How artifacts look in the Dagster UI: specs with descriptions, schemas and kinds, and small summaries of columns."""

import inspect
import re
import warnings
from collections.abc import Mapping

import dagster as dg

from curation_assets.algorithms.digest import json_digest
from curation_assets.nodes import Graph, Node
from curation_assets.tables import Key, Table

from .partitions import shards_def

_KINDS = {
    "raw_pool": {"deltalake", "python"},
    "filter_network": {"deltalake", "pytorch"},
    "encoder": {"deltalake", "pytorch"},
    "embeddings": {"deltalake", "pytorch"},
    "perceptual_hashes": {"deltalake", "numpy"},
    "centroids": {"deltalake", "faiss"},
    "cluster_assignments": {"deltalake", "faiss"},
    "cluster_drift": {"deltalake", "numpy"},
    "targets": {"deltalake", "pytorch"},
    "summaries": {"deltalake", "numpy"},
    "scores": {"deltalake", "numpy"},
    "cuts": {"deltalake", "numpy"},
    "subsets": {"deltalake", "pyarrow"},
    "decisions": {"deltalake", "pyarrow"},
    "datasets": {"deltalake", "pyarrow"},
}


def asset_spec(node: Node, description: str) -> dg.AssetSpec:
    """Spec of an artifact: what it depends on, and what the UI shows of it before it exists.

    The code version carries the parameters, so that the UI marks an artifact whose recipe was edited.
    """
    return dg.AssetSpec(
        key=dg.AssetKey(node.key),
        deps=[dg.AssetKey(key) for key in node.inputs],
        description=docstring_markdown(description),
        group_name=node.group,
        kinds=_KINDS.get(node.key[0], {"deltalake"}),
        code_version=code_version(node),
        skippable=node.is_sharded,  # a run of many shards logs its materializations itself
        partitions_def=shards_def if node.is_sharded else None,
        metadata={
            "dagster/column_schema": column_schema(node.table),
            "dagster/table_name": node.name,
            "parameters": dg.MetadataValue.json(dict(node.parameters)),
        },
    )


def docstring_markdown(docstring: str) -> str:
    """A docstring as Markdown: its sections become headings, examples become code.

    Example:
        >>> docstring_markdown("One line.\\n\\nReturns:\\n    int, >= 0.")
        'One line.\\n\\n**Returns**\\n\\nint, >= 0.'
    """
    parts = re.split(r"^(Args|Returns|Raises|Source|Example):$", inspect.cleandoc(docstring), flags=re.MULTILINE)
    text = parts[0].rstrip()
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        content = inspect.cleandoc(body)
        if heading == "Example":
            content = f"```\n{content}\n```"
        elif heading in ("Args", "Raises"):
            content = re.sub(r"^(?=\S)", "- ", content, flags=re.MULTILINE)
        text += f"\n\n**{heading}**\n\n{content}"
    return text


def code_version(node: Node) -> str:
    """Code version of a node as Dagster sees it: the code's own, and a digest of the parameters."""
    return f"{node.code_version}-{json_digest(dict(node.parameters))[:8]}"


def check_spec(key: Key, name: str, description: str, graph: Graph, *, is_blocking: bool = True) -> dg.AssetCheckSpec:
    """Spec of a check; on a sharded artifact it is kept per shard, so that one bad shard does not mark the others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # partitions_def on checks: preview in Dagster 1.13
        return dg.AssetCheckSpec(
            name=name,
            asset=dg.AssetKey(key),
            description=description,
            blocking=is_blocking,
            partitions_def=shards_def if graph[key].is_sharded else None,
        )


def column_schema(table: Table) -> dg.TableSchema:
    """A table's columns for the UI."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=column.meaning,
                constraints=dg.TableColumnConstraints(nullable=column.is_nullable),
            )
            for column in table.columns
        ]
    )


def most_frequent(counts: Mapping[str, int], most: int = 20) -> dict[str, int]:
    """The first entries of `reason_counts`, for metadata: texts of errors can all differ."""
    return dict(list(counts.items())[:most])
