"""What a run prints on a terminal: the lines that assets log, without Dagster's own events."""

import logging
import sys

import dagster as dg

from curation_assets.algorithms.inert import inert


class _Line(logging.Formatter):
    """`time  message`, inert; the run's full log is in the Dagster UI."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        message = meta.get("orig_message") or record.getMessage()
        return f"{self.formatTime(record, '%H:%M:%S')}  {inert(str(message), longest=400)}"


def _is_ours(record: logging.LogRecord) -> bool:
    meta = getattr(record, "dagster_meta", {})
    return meta.get("dagster_event") is None or record.levelno >= logging.ERROR


@dg.logger(description="Lines that assets log, one each, on standard error.")
def console_lines(_: dg.InitLoggerContext) -> logging.Logger:
    """Logger of the runs that the command line makes."""
    logger = logging.getLogger("curation_assets.console")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers.clear()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    handler.addFilter(_is_ours)
    logger.addHandler(handler)
    return logger
