"""The Dagster code location: the recipe in effect, wired. Imported by Dagster alone."""

from .assets.build import build_definitions
from .recipe import load_recipe

defs = build_definitions(load_recipe())
