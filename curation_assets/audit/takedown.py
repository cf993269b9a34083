"""Takedown: samples leave every table of a lake, its published versions and exports, and are refused for ever after.

The order makes it safe to be killed anywhere: a journal says what is to be done, then nothing can come in again, then rows go,
raw_pool last, then old files, then the proof is made, then the receipt written. Whoever calls next finishes it first.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from curation_assets.errors import ArgumentError, LakeError
from curation_assets.holdings.project import Project
from resources.needle_index import NeedleIndex

from .journal import read_journal, write_journal
from .lake_roots import lake_roots
from .requests import Request
from .shared_files import SharedFiles
from .takedown_plan import Look, Takedown, look
from .takedown_steps import Outside, finish, needles_of


def preview_takedown(project: Project, request: Request) -> Takedown:
    """What a takedown would remove; nothing is written.

    Raises:
        ArgumentError: ticket or reason say what is removed.
        LakeError: the lake is no folder, or a takedown was interrupted.
    """
    lake_roots(project.lake)
    if read_journal(project.lake.root) is not None:
        raise LakeError(
            f"a takedown of {project.lake.root} was interrupted; run curate takedown without --dry-run to finish it"
        )
    return _look(project, request, SharedFiles(room=0)).seen


def take_down(project: Project, request: Request, outside: Outside, report: Callable[[str], None]) -> Sequence[Takedown]:
    """Remove samples everywhere, refuse them for ever, prove it, and write a receipt.

    Args:
        project: recipe, graph and lake.
        request: what is removed.
        outside: past and present runs.
        report: takes a line per step.

    Returns:
        What was done; an interrupted takedown that was finished first comes before.

    Raises:
        ArgumentError: ticket or reason say what is removed.
        LakeError: the lake is no folder, something is writing to it, or files of it are missing.
    """
    lake_roots(project.lake)
    with project.lake.lock("apply", wait=False), ExitStack() as publications:
        for name in _publications(project):
            publications.enter_context(project.lake.lock(name, wait=False))
        if running := list(outside.live_runs()):
            raise LakeError(
                f"the runs {', '.join(running[:5])} may be writing to {project.lake.root}; wait for them, or end them first"
            )
        done = []
        pending = read_journal(project.lake.root)
        if pending is not None:
            report(f"finishing the takedown {pending.ticket}, which was interrupted")
            done.append(finish(project, pending, outside, report))
            if not done[-1].is_finished:
                return done
        found = _look(project, request, SharedFiles())
        if found.journal is None:
            return [*done, found.seen]
        write_journal(project.lake.root, found.journal)
        return [*done, finish(project, found.journal, outside, report, found.cuts)]


def _look(project: Project, request: Request, shared: SharedFiles) -> Look:
    """What a request comes to.

    Raises:
        ArgumentError: ticket or reason, which the lake keeps for ever, say what is removed.
    """
    found = look(project, lake_roots(project.lake), request, shared)
    if found.journal is not None:
        needles = needles_of(found.journal)
        is_said = np.zeros(len(needles), bool)
        NeedleIndex(needles).find(json.dumps([request.ticket, request.reason], ensure_ascii=False).encode(), is_said)
        if is_said.any():
            kinds = sorted({needles[i].kind for i in np.flatnonzero(is_said)})
            raise ArgumentError(
                f"the ticket or the reason holds what is removed ({', '.join(kinds)}); the receipt keeps both for ever: say it "
                "without"
            )
    return found


def _publications(project: Project) -> list[str]:
    """Locks of all that may be published: a version that is being made would take along what is being removed."""
    known = {path.name for path in (Path(project.lake.root) / "_locks").glob("publish-*")}
    return sorted(known | {f"publish-{plan.name}" for plan in project.recipe.subsets})
