"""The commands that publish, prove and remove. No logic of their own."""

import typer

version_commands = typer.Typer()
