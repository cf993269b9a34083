"""The Dagster instance that the command line shares with the UI."""

import os
from pathlib import Path

import dagster as dg

from curation_assets.errors import ArgumentError

Instance = dg.DagsterInstance  # so that floors above need not know Dagster
_HOME_VARIABLE = "DAGSTER_HOME"
_SETTINGS = "dagster.yaml"


def project_instance(folder: Path) -> dg.DagsterInstance:
    """Instance of the environment's DAGSTER_HOME, else of `.dagster` in the project's folder, which is made if needed.

    A home without settings gets a link to the project's dagster.yaml, or a copy of this repository's, so that telemetry is off
    and pools are limited from the first run on.

    Raises:
        ArgumentError: DAGSTER_HOME is not an absolute path.
    """
    home = Path(os.environ.get(_HOME_VARIABLE) or folder / ".dagster")
    if not home.is_absolute():
        raise ArgumentError(f"{_HOME_VARIABLE} must be an absolute path; it is {str(home)!r}")
    home.mkdir(parents=True, exist_ok=True)
    settings = home / _SETTINGS
    if not settings.exists():
        shared = folder / _SETTINGS
        if shared.is_file():
            settings.unlink(missing_ok=True)
            settings.symlink_to(os.path.relpath(shared, home))
        else:
            settings.write_text(_settings_of_repository(), encoding="utf-8")
    os.environ[_HOME_VARIABLE] = str(home)
    return dg.DagsterInstance.from_config(str(home))


def _settings_of_repository() -> str:
    """The dagster.yaml beside this package; where the package was installed without it, the two settings that matter."""
    shipped = Path(__file__).parents[2] / _SETTINGS
    if shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    return "telemetry: {enabled: false}\nconcurrency: {pools: {granularity: op, default_limit: 1}}\n"
