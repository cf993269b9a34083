"""The commands that publish, prove and remove. No logic of their own."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_options import JsonOption, RecipeOption, project_of
from .terminal import print_json, progress
from .terminal_takedown import print_takedown
from .terminal_versions import print_published, print_verified, published_fields, verified_fields

if TYPE_CHECKING:
    from resources.shard_rewrite import RewrittenShard

    from .holdings.project import Project

version_commands = typer.Typer()

RequestArgument = Annotated[
    Path,
    typer.Argument(
        help="Text file, one selector a line: a uid (32 hex digits), the sha256 of an image (64), a perceptual hash (16), "
        "a URL, or a domain with all that is below it; lines that begin with # are comments."
    ),
]
RadiusOption = Annotated[
    int,
    typer.Option(min=-1, max=16, help="Bits of 64 up to which another picture is a near twin and goes too; -1: none."),
]
RewriteOption = Annotated[
    bool, typer.Option("--rewrite-shards", help="Also take the samples out of the pool's own tars, which are replaced.")
]


@version_commands.command(epilog="Example: curate publish train_v1 --note 'before the new crawl'")
def publish(
    subset: Annotated[str, typer.Argument(help="Name of a subset in the recipe; it is the dataset's name, too.")],
    note: Annotated[str, typer.Option(help="For people; kept in the manifest of a new version.")] = "",
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Freeze a subset as the next version of its dataset, unless the newest one has the same content."""
    from .audit.publish import publish as publish_subset

    version, is_new = publish_subset(project_of(recipe), subset, note)
    if as_json:
        print_json(published_fields(version, is_new, note))
    else:
        print_published(version, is_new, note)


@version_commands.command(epilog="Example: curate verify train_v1@2 --rebuild")
def verify(
    version: Annotated[str, typer.Argument(metavar="NAME@V", help="Published version, such as train_v1@2.")],
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Also decide every row again from the frozen scores.")] = False,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute a published version's digests and compare them with what was published; exit code 1 if one differs."""
    from .audit.verify import reference_to_verify
    from .audit.verify import verify as verify_version

    project = project_of(recipe)
    found = verify_version(project, reference_to_verify(project, version), rebuild)
    if as_json:
        print_json(verified_fields(found))
    else:
        print_verified(found)
    raise typer.Exit(0 if found.is_sound else 1)


@version_commands.command(epilog="Example: curate takedown request.txt --reason 'asked by the owner' --ticket T-17 --dry-run")
def takedown(
    request: RequestArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why, for the receipt.")],
    ticket: Annotated[str, typer.Option(help="Number of the request, for the receipt and for rejected_samples.")],
    radius: RadiusOption = 4,
    rewrite_shards: RewriteOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and write nothing.")] = False,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove samples everywhere, prove it, and refuse them for ever; exit code 1 if the proof still finds one."""
    from .audit.requests import read_request
    from .audit.takedown import preview_takedown, take_down

    project = project_of(recipe)
    if rewrite_shards:
        from .assets.shard_rewrite import require_tars

        require_tars(project)
    asked = read_request(request, reason=reason, ticket=ticket, radius=radius)
    if dry_run:
        done = [preview_takedown(project, asked)]
    else:
        from .assets.takedown_outside import outside_of

        done = list(take_down(project, asked, outside_of(project), progress))
    rewritten = _rewritten(project, {asked.ticket, *(one.ticket for one in done)}) if rewrite_shards and not dry_run else []
    if as_json:
        shown = [{**asdict(one), "hits": [{**asdict(hit), "path": str(hit.path)} for hit in one.hits]} for one in done]
        print_json({"takedowns": shown, "is_dry_run": dry_run, "rewritten": [str(one.path) for one in rewritten]})
    else:
        for one in done:
            print_takedown(one, is_dry_run=dry_run)
    if any(one.hits for one in done):
        raise typer.Exit(1)


def _rewritten(project: "Project", tickets: set[str]) -> "list[RewrittenShard]":
    from .assets.shard_rewrite import rewrite_shards

    return rewrite_shards(project, tickets, progress)
