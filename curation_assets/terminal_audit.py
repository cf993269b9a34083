"""How the command line shows answers about samples and findings about a lake."""

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.tree import Tree

from .algorithms.inert import inert
from .terminal import out, table

if TYPE_CHECKING:
    from .audit.audit import Audit
    from .audit.contains import Contains
    from .audit.diff import Diff, Sample
    from .lineage.answer import Why
    from .lineage.holders import Holder, Which
    from .lineage.story import Story, SubsetVerdict
    from .lineage.verdicts import ConditionVerdict, Verdict

_COLOURS = {"holds": "green", "fails": "red", "unmeasured": "yellow"}


def shown(value: object) -> str:
    """A value from the pool, harmless on a terminal."""
    if value is None:
        return "-"
    return escape(inert(f"{value:.6g}" if isinstance(value, float) else str(value)))


def print_why(found: "Why") -> None:
    """The stories of the samples, and what was rejected under the name."""
    if not found.found:
        counts = f"{found.searched.rows:,} rows of {found.searched.shards:,} shards"
        out.print(f"{shown(found.asked)} is nowhere in {counts}, nor among {found.searched.rejected_rows:,} rejected samples")
        if found.searched.rejected_rows and found.kind != "key":
            out.print("[dim]a rejected sample is known by SHARD/KEY alone: its uid, image and URL are not stored[/]")
    fate = "is refused" if found.version is None else f"was removed from {found.subset}@{found.version}"
    _print_taken_down(found, fate)
    for story in found.samples:
        _print_story(story)
    for row in found.rejected:
        place = f"{shown(row.shard)}/{shown(row.key)} (row {row.row:,})"
        out.print(f"[red]rejected[/] {place}: {shown(row.reason)}  [dim]{shown(row.detail)}[/]")


def _print_story(story: "Story") -> None:
    colour = {True: "green", False: "red", None: "yellow"}[story.is_member]
    out.print(f"\n[bold]{story.uid}[/]  [{colour}]{shown(story.summary)}[/]")
    facts = story.sample
    rows = {
        "source": f"{shown(facts.tar)}, byte {shown(facts.offset_bytes)}, {shown(facts.image_bytes)} bytes",
        "place": f"shard {shown(facts.shard)}, row {facts.row:,}, key {shown(facts.key)}",
        "image": f"{shown(facts.format)}, {shown(facts.width)} x {shown(facts.height)} px, sha256 {shown(facts.image_sha256)}",
        "caption": shown(facts.text),
        "url": shown(facts.url),
        "remarks": shown(", ".join(facts.remarks) or None),
    }
    for one in story.encoders:
        rows[f"encoder {one.label}".strip()] = f"{shown(one.name)}, weights {one.weights_sha256[:16]}"
    for one in story.clusters:
        rows[one.artifact] = f"cluster {shown(one.cluster_id)}, cosine to its centroid {shown(one.similarity)}"
    near = ", ".join(f"{n.uid} ({n.cosine:.3f})" for n in story.neighbours.found)
    rows["neighbours"] = near or f"[dim]{shown(story.neighbours.omitted or 'it is alone in its cluster')}[/]"
    for twin in story.twins:
        where = "itself" if twin.is_self else "kept here" if twin.is_in_subset else "not kept here"
        rows[twin.columns[0].removesuffix("_hi")] = f"{twin.uid} ({where})"
    for revision in story.revisions:
        differs = f", other {', '.join(revision.differs)}" if revision.differs else ""
        state = "" if revision.is_readable else ", its rows are gone"
        rows[f"revision {revision.delta_version}"] = f"{revision.written_at}, run {shown(revision.run_id)}{differs}{state}"
    listed = table("", "")
    for name, value in rows.items():
        listed.add_row(f"[dim]{escape(name)}[/]", value)
    out.print(listed)
    for verdict in story.verdicts:
        out.print(_subset_tree(verdict))
    _print_scores(story)
    for finding in story.findings:
        out.print(f"[yellow]{finding.code}[/]  {shown(finding.message)}")


def _print_scores(story: "Story") -> None:
    listed = table("score", "value", "asked for", "from", "version", "run")
    read = {one.artifact: one for one in story.tables}
    for score in story.scores:
        value = shown(score.value) if score.value is not None else f"[yellow]NULL: {shown(score.reason)}[/]"
        uses = "; ".join(f"{use.comparison} {shown(use.threshold)} ({use.subset})" for use in score.uses)
        origin = read[score.artifact]
        listed.add_row(score.column, value, escape(uses), score.artifact, str(origin.delta_version), shown(origin.run_id))
    out.print(listed)


def _subset_tree(verdict: "SubsetVerdict") -> Tree:
    states = {True: "[green]kept[/]", False: f"[red]dropped by {shown(verdict.dropped_by)}[/]", None: "[yellow]not reached[/]"}
    tree = Tree(f"[bold]{escape(verdict.subset)}[/]  {states[verdict.is_kept]}")
    for one in verdict.filters:
        _add(tree, one)
    return tree


def _add(tree: Tree, verdict: "Verdict") -> None:
    name = verdict.name if verdict.kind == "filter" else verdict.kind
    branch = tree.add(f"[{_COLOURS[verdict.outcome]}]{verdict.outcome:<10}[/] {escape(name)}")
    for condition in verdict.conditions:
        branch.add(_condition(condition))
    for part in verdict.parts:
        _add(branch, part)


def _condition(found: "ConditionVerdict") -> str:
    margin = "" if found.margin is None else f", margin {found.margin:+.6g}"
    cut = found.cut
    of = f" [dim](best {cut.fraction:g}: {cut.kept:,} of {cut.population:,}, to uid {cut.cut_uid})[/]" if cut else ""
    by_uid = ", decided by uid" if found.is_decided_by_uid else ""
    asked = f"{found.comparison} {shown(found.threshold)}"
    return f"[{_COLOURS[found.outcome]}]{found.outcome}[/] {found.column} {shown(found.value)} {asked}{margin}{by_uid}{of}"


_MOST_SHOWN = 50


def print_which(found: "Which") -> None:
    """A row per sample: how it matches, and what holds it."""
    listed = table("uid", "shard", "row", "match", "subsets", "versions")
    for one in found.samples[:_MOST_SHOWN]:
        held = ", ".join(f"{version.name} ({version.published_at[:10]})" for version in one.versions)
        row = f"{one.row:,}" if one.is_in_pool else f"{one.row:,} (no longer in the pool)"
        listed.add_row(one.uid, shown(one.shard), row, _match(one), escape(", ".join(one.subsets)) or "-", escape(held) or "-")
    if found.samples:
        out.print(listed)
    if len(found.samples) > _MOST_SHOWN:
        out.print(f"and {len(found.samples) - _MOST_SHOWN:,} more; --json lists all")
    places = f"{found.pool_rows:,} rows, {len(found.subsets):,} subsets and {len(found.versions):,} published versions"
    out.print(f"{len(found.samples):,} samples match {shown(found.asked)} in {places}")
    _print_taken_down(found, "is refused")
    for way in found.searched:
        out.print(f"[dim]{way.how} {'searched' if way.is_searched else 'not searched'}: {shown(way.remark)}[/]")
    if found.kind == "domain" and not found.found:
        out.print("[dim]read as a domain: no file here has that name[/]")
    for line in found.unusable:
        out.print(f"[yellow]unknown[/] {shown(line)}")


def _print_taken_down(found: "Why | Which", fate: str) -> None:
    for gone in found.taken_down:
        out.print(f"[red]taken down[/] {shown(found.asked)}: its {gone.kind} {fate}, ticket {shown(gone.ticket)}")


def _match(one: "Holder") -> str:
    match = one.match
    if match.distance is not None:
        return f"perceptual distance {match.distance}"
    return match.how if match.cosine is None else f"cosine {match.cosine:.4f}"


def print_contains(found: "Contains") -> None:
    """How two sets overlap."""
    for a, b, is_inside in ((found.a, found.b, found.a_in_b), (found.b, found.a, found.b_in_a)):
        out.print(f"{shown(a)} [{'green]lies' if is_inside else 'red]does not lie'}[/] inside {shown(b)}")
    listed = table("", "rows", "uids in both", "only here")
    listed.add_row(shown(found.a), f"{found.rows_a:,}", f"{found.both:,}", f"{found.only_a:,}")
    listed.add_row(shown(found.b), f"{found.rows_b:,}", f"{found.both:,}", f"{found.only_b:,}")
    out.print(listed)
    out.print(f"Jaccard {found.jaccard:.6f}, decided by {found.decided_by}")


def print_diff(found: "Diff") -> None:
    """Rows that come and go by cause, and a few of them."""
    sides = (f"{escape(side.name)} ({side.rows:,} rows)" for side in (found.a, found.b))
    out.print(f"{' -> '.join(sides)}: +{found.added:,} samples, -{found.removed:,} samples")
    if found.is_equal:
        out.print(f"the same samples; {found.shards_read:,} of {found.shards:,} shards had to be read")
        return
    causes = table("cause", "added", "removed")
    for count in found.causes:
        causes.add_row(escape(inert(count.cause.text, longest=300)), _count(count.added), _count(count.removed))
    out.print("\n", causes)
    if found.samples:
        samples = table("uid", "", "shard", "row", "caption", "cause", "values")
        for sample in found.samples:
            samples.add_row(*_sample_cells(sample))
        out.print("\n", samples)


def _sample_cells(sample: "Sample") -> tuple[str, ...]:
    values = "" if sample.cause.column is None else f"{_value(sample.old)} -> {_value(sample.new)}"
    cause = inert(sample.cause.text, longest=300)
    cells = (sample.shard, str(sample.row), sample.caption, cause, values)
    return sample.uid, "+" if sample.change == "added" else "-", *map(escape, cells)


def _value(value: object) -> str:
    if value is None:
        return "null"
    return f"{value:.6g}" if isinstance(value, float) else inert(str(value), longest=60)


def _count(rows: int) -> str:
    return f"{rows:,}" if rows else ""


_SEVERITIES = {"breach": "red", "warning": "yellow"}
# A damaged disk has thousands of findings, and --json has them all.
_MOST_OF_A_CHECK = 20


def print_audit(found: "Audit") -> None:
    """The findings of an audit by check, and what was read."""
    counted: dict[tuple[str, str], int] = {}
    for finding in found.findings:
        kind = (finding.severity, finding.check)
        counted[kind] = counted.get(kind, 0) + 1
        if counted[kind] > _MOST_OF_A_CHECK:
            continue
        where = finding.table + (f"[{finding.partition}]" if finding.partition else "")
        place = f" {finding.place}" if finding.place else ""
        out.print(f"[{_SEVERITIES[finding.severity]}]{finding.severity}[/] [bold]{finding.check}[/]  {escape(where + place)}")
        out.print(f"    expected {escape(finding.expected)}; found {escape(finding.found)}")
        out.print(f"    [dim]{escape(finding.remedy)}[/]")
    if counted:
        sums = table("check", "severity", "findings")
        for (severity, check), count in counted.items():
            sums.add_row(check, severity, f"{count:,}")
        out.print("\n", sums, "\n")
    breaches = f"{found.breaches:,} breach{'es' * (found.breaches != 1)}"
    read = f"{found.tables:,} tables, {found.partitions:,} partitions, {found.rows:,} rows, {found.versions:,} versions"
    quick = ", without digests" if found.is_quick else ""
    out.print(f"{breaches}, {len(found.findings) - found.breaches:,} warnings in {read}{quick}")
