"""One file per filter; the folder is the registry."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from curation_assets.spec import Filter


@cache
def all_filters() -> dict[str, Filter]:
    """Every filter of this folder by its name, in alphabetical order."""
    names = sorted(module.name for module in iter_modules(__path__) if module.name != "threshold")
    return {name: import_module(f"{__name__}.{name}").FILTER for name in names}
