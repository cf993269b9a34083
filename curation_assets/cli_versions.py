"""The commands that ask what happened to samples, and that publish, prove and remove. No logic of their own."""

import typer

audit_commands = typer.Typer()
