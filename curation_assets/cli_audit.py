"""The commands that ask what happened to samples. No logic of their own."""

from typing import Annotated

import typer

from .cli_options import JsonOption, RecipeOption, project_of
from .terminal import print_json
from .terminal_audit import print_diff

audit_commands = typer.Typer()


@audit_commands.command(epilog="Example: curate diff train@1 train")
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="Subset as stored now, or DATASET@VERSION.")],
    new: Annotated[str, typer.Argument(metavar="B", help="The same; may be another dataset.")],
    *,
    limit: Annotated[int, typer.Option(help="Most samples to show, spread over the causes.")] = 10,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what makes B of A: rows that come and go, each with its cause.

    Exit code 0 if both have the same samples, 1 if not, 2 if they cannot be compared.
    """
    from .audit.diff import diff as compare

    found = compare(project_of(recipe), old, new, limit)
    if as_json:
        print_json(found.as_json())
    else:
        print_diff(found)
    raise typer.Exit(0 if found.is_equal else 1)
