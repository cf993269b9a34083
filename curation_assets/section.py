"""What all sections of a recipe share, and the automation, which is checked by a grammar of its own."""

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


class Section(BaseModel):
    """What all sections share: unknown keys are faults, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


def _five_fields(cron: str) -> str:
    fields = cron.split()
    if len(fields) == len(_CRON_LIMITS) and all(map(_is_cron_field, fields, _CRON_LIMITS)):
        return cron
    raise ValueError("expected five fields of *, numbers, a-b, */n and commas, such as 0 3 * * 1-5")


def _known_zone(timezone: str) -> str:
    try:
        return ZoneInfo(timezone).key
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ValueError("expected an IANA time zone, such as UTC or Europe/Berlin") from error


Cron = Annotated[str, AfterValidator(_five_fields)]
Zone = Annotated[str, AfterValidator(_known_zone)]


class Automation(Section):
    """Curation without a person, by Dagster's daemon."""

    run: Literal["never", "on_change", "on_schedule"] = Field(
        "never", description="when what is out of date is made again: never by itself, soon after a change, or at cron times"
    )
    interval_s: int = Field(30, ge=1, description="how often the recipe and the pool are looked at")
    cron: Cron = Field("0 3 * * *", description="times of on_schedule: minute, hour, day of month, month, day of week")
    timezone: Zone = Field("UTC", description="of cron, by its IANA name, such as Europe/Berlin")
    max_seconds: float | None = Field(
        None, gt=0, description="a plan whose estimate is longer, or is not known, waits for a person; none is no limit"
    )


class AuditTimes(Section):
    """Audits without a person, by Dagster's daemon."""

    run: Literal["never", "on_schedule"] = Field("never", description="whether the lake is audited at cron times by itself")
    cron: Cron = Field("0 4 * * *", description="minute, hour, day of month, month, day of week")
    timezone: Zone = Field("UTC", description="of cron, by its IANA name, such as Europe/Berlin")


# Smallest and largest number of minute, hour, day of month, month and day of week.
_CRON_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def _is_cron_field(field: str, limits: tuple[int, int]) -> bool:
    for part in field.split(","):
        found = re.fullmatch(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([1-9][0-9]?))?", part)
        numbers = [int(number) for number in found.groups()[:2] if number] if found else [-1]
        if numbers != sorted(numbers) or not all(limits[0] <= number <= limits[1] for number in numbers):
            return False
    return True
