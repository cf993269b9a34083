"""Every error that this project raises on purpose.

    CurationError
    ├── RecipeError     the recipe says something that cannot be done
    ├── PoolError       the pool's files are not what the recipe says they are
    ├── SchemaError     a table or array is not what a method needs
    ├── LakeError       a stored table is missing, damaged or belongs to something else
    ├── EncoderError    model weights cannot be found or loaded
    └── ArgumentError   a command was given an argument that names nothing

A message answers four things: what was asked, what was found, where, and what to do. A bad *row* is never an error: it is
data with a recorded reason.
"""


class CurationError(Exception):
    """Root of the tree; the command line prints its message as one line and exits with 2."""


class RecipeError(CurationError):
    """All faults of a recipe at once, each with its key path, its value and what is allowed there."""


class PoolError(CurationError):
    """The pool's path matches nothing, two shards share a name, or a shard cannot be opened."""


class SchemaError(CurationError):
    """Columns are missing, unknown, of another type or not aligned."""


class LakeError(CurationError):
    """A table or partition that should be in the lake is not, or is not the one recorded."""


class EncoderError(CurationError):
    """No weights under that name, weights of another shape, or a file that is not a checkpoint."""


class ArgumentError(CurationError):
    """An unknown subset, format or uid; the message lists the known ones."""
