"""The commands that ask what happened to samples. No logic of their own."""

from typing import Annotated

import typer

from .cli_options import JsonOption, RecipeOption, project_of
from .terminal import print_json, progress
from .terminal_audit import print_audit

audit_commands = typer.Typer()


@audit_commands.command(epilog="Example: curate audit --strict")
def audit(
    recipe: RecipeOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as breaches.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave the digests out, and with them vectors and the proof of versions.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check all that must hold of the lake and its published versions; exit code 1 on a breach."""
    from .audit.audit import audit as audit_project

    found = audit_project(project_of(recipe), is_quick=quick, progress=progress)
    if as_json:
        print_json({**found.as_json(), "is_passed": found.is_passed(is_strict=strict)})
    else:
        print_audit(found)
    if not found.is_passed(is_strict=strict):
        raise typer.Exit(1)
