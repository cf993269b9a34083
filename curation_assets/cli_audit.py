"""The commands that ask what happened to samples. No logic of their own."""

from dataclasses import asdict
from typing import Annotated

import typer

from .cli_options import JsonOption, RecipeOption, project_of
from .terminal import print_json, progress
from .terminal_audit import print_audit, print_contains, print_diff, print_which, print_why

audit_commands = typer.Typer()


@audit_commands.command(epilog="Example: curate why 00000/000000012 --in train_v1@2")
def why(
    sample: Annotated[str, typer.Argument(help="A uid, the sha256 of an image, a URL, or SHARD/KEY.")],
    reference: Annotated[str, typer.Option("--in", metavar="SUBSET[@V]", help="Subset, or published version of one.")],
    neighbours: Annotated[int, typer.Option(min=0, max=1000, help="Similar samples to name.")] = 5,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the story of a sample: source, scores, thresholds, cluster, twins, versions, runs. Exit code 1: it is nowhere."""
    from .audit.why import why as tell

    found = tell(project_of(recipe), sample, reference, neighbours=neighbours)
    if as_json:
        print_json(asdict(found))
    else:
        print_why(found)
    raise typer.Exit(0 if found.found else 1)


@audit_commands.command(epilog="Example: curate which img.example.org --json")
def which(
    asked: Annotated[str, typer.Argument(help="A uid, the sha256 of an image, a URL, a domain, or an image file.")],
    near: Annotated[bool, typer.Option("--near", help="Of a file, look for pictures that are alike, too.")] = False,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every live subset and published version that holds it. Exit code 1: nothing was found."""
    from .audit.which import which as holders

    project = project_of(recipe)
    vector = None
    if near:
        from .assets.file_vector import file_vector

        vector = file_vector(project)
    found = holders(project, asked, is_near=near, image_vector=vector)
    if as_json:
        print_json(asdict(found))
    else:
        print_which(found)
    raise typer.Exit(0 if found.found else 1)


@audit_commands.command(epilog="Example: curate contains train_v1@1 train_v1")
def contains(
    a: Annotated[str, typer.Argument(metavar="A[@V]", help="Subset, or published version of one.")],
    b: Annotated[str, typer.Argument(metavar="B[@V]", help="Subset, or published version of one.")],
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell whether A lies inside B, and how they overlap, exactly by uid. Exit code 1: A is not inside B."""
    from .audit.contains import contains as overlap

    found = overlap(project_of(recipe), a, b)
    if as_json:
        print_json(asdict(found))
    else:
        print_contains(found)
    raise typer.Exit(0 if found.a_in_b else 1)


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


@audit_commands.command(epilog="Example: curate audit --strict")
def audit(
    recipe: RecipeOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as breaches.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave the digests out, and with them vectors and the proof of versions.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check all that must hold of the lake and its published versions. Exit code 1: something does not."""
    from .audit.audit import audit as audit_project

    found = audit_project(project_of(recipe), is_quick=quick, progress=progress)
    if as_json:
        print_json({**found.as_json(), "is_passed": found.is_passed(is_strict=strict)})
    else:
        print_audit(found)
    if not found.is_passed(is_strict=strict):
        raise typer.Exit(1)
