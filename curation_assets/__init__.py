"""Curation of image-text pools as Dagster assets: measure once, decide as often as you like."""
