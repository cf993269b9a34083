"""The commands that ask what happened to samples. No logic of their own."""

import typer

audit_commands = typer.Typer()
