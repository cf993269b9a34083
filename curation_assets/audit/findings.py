"""What a verification finds: one thing that is not as it was published, with its place."""

from dataclasses import dataclass, field

UNREADABLE = "cannot be read"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Args:
        what: is wrong, in words.
        where: file, table, partition or field of the manifest.
        expected: as recorded when the version was published.
        found: now.
    """

    what: str
    where: str
    expected: str
    found: str


@dataclass
class Verified:
    """What was checked of a version, and what is wrong with it.

    Args:
        version: such as `train@2`.
        rows: that its members have now.
        partitions: of frozen tables whose content was recomputed.
        redactions: receipts of the removals that were taken into account, oldest first.
        rebuilt: subsets whose rows were decided again from frozen scores.
        not_rebuildable: subsets that were to be, and why they cannot; that is no breach.
        findings: what is wrong; a version without any is what was published, less what was removed since.
    """

    version: str
    rows: int = 0
    partitions: int = 0
    redactions: list[str] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)
    not_rebuildable: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def compare(self, what: str, where: str, expected: object, found: object) -> None:
        """A finding if two values differ."""
        if expected != found:
            self.findings.append(Finding(what, where, str(expected), str(found)))
