"""The demo's report: one HTML page and its pictures, in a folder that can be opened without a server."""

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from curation_assets.algorithms.inert import inert
from curation_assets.assets.gallery import thumbnails
from curation_assets.assets.pictures import contact_sheet, fitted
from curation_assets.holdings.state import State
from curation_assets.holdings.status import Funnel
from curation_assets.recipe import Recipe

from .scoring import Caught

_SHOWN = 32
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#282c34}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border-bottom:1px solid #ddd;padding:.3rem .8rem;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}img{max-width:100%;border:1px solid #ddd}"
)


def write_report(state: State, funnels: Sequence[Funnel], caught: Sequence[Caught], folder: Path) -> Path:
    """Write index.html and one contact sheet per subset; a report that is there already is replaced.

    Args:
        state: a lake that is up to date.
        funnels: of the pool and of each subset.
        caught: filters against the planted truth.
        folder: created when missing.

    Returns:
        Path of index.html.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        "<h1>What was kept, what was dropped, and why</h1>",
        _table(("set", "from", "in", "kept", "dropped by"), [_funnel_cells(funnel) for funnel in funnels]),
        "<h2>Filters against the planted truth</h2>",
        _table(("filter", "planted", "samples", "dropped", "precision", "recall"), [_caught_cells(c) for c in caught]),
    ]
    for plan in state.project.recipe.subsets:
        picture = f"contact_sheet_{plan.name}.png"
        kept, dropped = (_spread(state, plan.name, is_kept) for is_kept in (True, False))
        _sheet(kept, dropped, state.project.recipe).save(folder / picture)
        parts.append(f"<h2>{html.escape(plan.name)}</h2><p>Green: kept. Red: dropped, with the first filter that did.</p>")
        parts.append(f'<img src="{picture}" alt="contact sheet of {html.escape(plan.name)}">')
        parts.append(_table(("sample", "dropped by", "value", "threshold", "caption"), _dropped_cells(dropped)))
    page = f'<!doctype html><meta charset="utf-8"><title>Curation report</title><style>{_STYLE}</style>{"".join(parts)}'
    index = folder / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def _table(head: Sequence[str], rows: Sequence[Sequence[str | int | float | None]]) -> str:
    """HTML table; every text is escaped, numbers are aligned."""
    cells = "".join(
        "<tr>"
        + "".join(f'<td class="n">{cell:,}</td>' if isinstance(cell, int) else f"<td>{_text(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{html.escape(name)}</th>' for name in head)}</tr>{cells}</table>"


def _text(cell: str | float | None) -> str:
    if cell is None:
        return ""
    return f"{cell:.3f}" if isinstance(cell, float) else html.escape(inert(cell))


def _funnel_cells(funnel: Funnel) -> tuple[str | int, ...]:
    reasons = ", ".join(f"{name} {count:,}" for name, count in funnel.dropped_by.items())
    return (funnel.subset, funnel.source, funnel.rows_in, funnel.kept, reasons)


def _caught_cells(caught: Caught) -> tuple[str | int | float | None, ...]:
    return (caught.filter, caught.planted_as, caught.planted, caught.dropped, caught.precision, caught.recall)


def _sheet(kept: pa.Table, dropped: pa.Table, recipe: Recipe) -> Image.Image:
    pictures = ([fitted(picture, 120) for picture in thumbnails(rows, recipe, 120)] for rows in (kept, dropped))
    return contact_sheet(*pictures, cell_px=120)


def _spread(state: State, subset: str, is_kept: bool) -> pa.Table:
    """At most `_SHOWN` samples that the subset kept or dropped, evenly from all shards, with the reasons of its ledger."""
    lake, shards = state.project.lake, list(state.files)
    parts = []
    for shard in shards:
        ledger = lake.read(f"decisions/{subset}", shard=shard)
        chosen = np.flatnonzero(ledger["is_kept"].to_numpy() == is_kept)
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), -(-_SHOWN // len(shards)))).astype(int)]
        ledger = ledger.take(pa.array(chosen))
        pool = lake.read("raw_pool", shard=shard)
        at = np.searchsorted(pool["row"].to_numpy(), ledger["row"].to_numpy())
        reasons = ledger.select(["filter", "column", "comparison", "value", "value_text", "threshold", "threshold_text"])
        rows = pool.select(["shard", "row", "key", "text", "tar", "offset_bytes", "image_bytes"]).take(pa.array(at))
        names = [*rows.column_names, *reasons.column_names]
        parts.append(pa.table([*rows.columns, *reasons.columns], names=names))
    return pa.concat_tables(parts).slice(0, _SHOWN)


def _dropped_cells(dropped: pa.Table) -> list[tuple[str, ...]]:
    return [
        (
            f"{row['shard']}/{row['key']}",
            str(row["filter"]),
            f"{row['column']} = {_shown(row, 'value')}",
            f"{row['comparison']} {_shown(row, 'threshold')}",
            row["text"],
        )
        for row in dropped.to_pylist()
    ]


def _shown(row: dict[str, object], name: str) -> str:
    number = row[name]
    return f"{number:.4g}" if isinstance(number, float) else str(row[f"{name}_text"])
