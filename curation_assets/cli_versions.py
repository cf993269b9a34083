"""The commands that publish, prove and remove. No logic of their own."""

from typing import Annotated

import typer

from .cli_options import JsonOption, RecipeOption, project_of
from .terminal import print_json
from .terminal_versions import print_published, print_verified, published_fields, verified_fields

version_commands = typer.Typer()


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
