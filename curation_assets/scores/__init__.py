"""One file per score; the folder is the registry."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from curation_assets.spec import Score


@cache
def all_scores() -> dict[str, Score]:
    """Every score of this folder by its name, in alphabetical order."""
    names = sorted(module.name for module in iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").SCORE for name in names}
