"""What a takedown has to know and to clean outside the lake: Dagster's runs and the events that they left."""

from collections.abc import Sequence
from pathlib import Path

from curation_assets.audit.takedown_steps import Outside
from curation_assets.holdings.project import Project
from resources.byte_scan import Needle
from resources.dagster_events import redact_events

from .instance import project_instance
from .runs import runs_alive


def outside_of(project: Project) -> Outside:
    """The Dagster instance of a project, as a takedown uses it."""
    instance = project_instance(project.recipe.folder)
    home = Path(instance.root_directory)

    def redact(uids: Sequence[str], needles: Sequence[Needle]) -> tuple[int, str]:
        redacted = redact_events(home, uids, needles)
        return redacted.events, redacted.uncovered

    return Outside(lambda: runs_alive(instance, project.lake.root), redact, [home])
