"""Dagster assets in pipeline order: thin shells around scores, filters and resources."""
