"""One file per summary of the pool; the folder is the registry."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from curation_assets.spec import Summary


@cache
def all_summaries() -> dict[str, Summary]:
    """Every summary of this folder by its name, in alphabetical order."""
    names = sorted(module.name for module in iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").SUMMARY for name in names}
