"""One stored value of Dagster without what must be nowhere: metadata that holds it, pictures beside it, other texts."""

import json
import re
from collections.abc import Callable, Sequence

import numpy as np

from resources.needle_index import NeedleIndex
from resources.needles import Needle

REMOVED = "removed by a takedown"
# Dagster 1.13 refuses to read an event one of whose tags has blanks in its key or value.
REMOVED_TAG = "removed_by_a_takedown"
_TAGS = ("tags", "value")  # where they stand in an event, and the column of the tables of tags
# What Dagster finds its events by. A hostile caption may read like one of these ("ASSET_MATERIALIZATION"); removing it here
# would lose the event, so in keys, and in values and columns of these names, only digits (uids, digests) are looked for.
NAMES = frozenset(
    [
        *("__class__", "__enum__", "__set__", "event_type_value", "step_kind_value", "run_id", "step_key", "pipeline_name"),
        *("job_name", "name", "key", "path", "partition", "asset_key", "dagster_event_type", "check_name", "mode", "status"),
        *("snapshot_id", "snapshot_type", "execution_status", "backfill_id", "partition_set", "partitions_def_name"),
        *("concurrency_key", "version_num"),
    ]
)
_ENTRY = "EventMetadataEntry"
_VALUE = re.compile(r"\w+(MetadataEntryData|MetadataValue)")
_PICTURE = "data:image/"
# Dagster's own spelling of a text in metadata (dagster 1.13: TextMetadataValue has this storage name).
_TEXT = {"__class__": "TextMetadataEntryData", "text": REMOVED}

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


class Redactor:
    """Removes needles from texts, in any spelling, and changes nothing in texts that hold none.

    Short texts (`is_whole_only`) are removed from metadata only: elsewhere they are more likely a name than a caption.

    Args:
        needles: what must be nowhere.
    """

    def __init__(self, needles: Sequence[Needle]) -> None:
        self._all = _Finder(needles)
        self._long = _Finder([n for n in needles if not n.is_whole_only])
        self._digits = _Finder([n for n in needles if n.kind in ("uid", "sha256")])

    def holds(self, content: bytes) -> bool:
        """Whether any needle stands in the content."""
        return self._all.holds(content)

    def redacted(self, text: bytes, column: str) -> bytes:
        """The text without any needle that can be a sample's.

        Of serialized JSON, metadata entries that hold a needle go whole, with every picture of the same event: it may show
        the sample. What stands elsewhere in it goes string by string, so that the rest can be read back as what it was. A
        text that is no JSON goes whole.

        Args:
            text: a stored value.
            column: where it is stored.
        """
        if not self.holds(text):
            return text
        if column in NAMES:
            return REMOVED.encode() if self._digits.holds(text) else text
        try:
            read = json.loads(text)
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict | list):
            return _substitute(column).encode() if self._long.holds(text) else text
        changed = self._strings(self._without_entries(read))
        if changed == read:
            return text
        return json.dumps(self._without_pictures(changed)).encode()

    def _without_entries(self, node: Json) -> Json:
        """The tree without metadata values that hold a needle."""
        return _replaced(node, lambda text: self.holds(text.encode("utf-8", "surrogatepass")))

    def _without_pictures(self, node: Json) -> Json:
        return _replaced(node, lambda text: _PICTURE in text)

    def _strings(self, node: Json, name: str = "") -> Json:
        """The tree without strings and numbers that hold a needle; JSON inside of a string is a tree of its own."""
        if isinstance(node, list):
            return [self._strings(child, name) for child in node]
        if isinstance(node, dict):
            return {self._key(key): self._strings(child, name if name == "tags" else key) for key, child in node.items()}
        if isinstance(node, bool) or node is None:
            return node
        if name in NAMES:
            return REMOVED if isinstance(node, str) and self._digits.holds(node.encode("utf-8", "surrogatepass")) else node
        if isinstance(node, str):
            return self._string(node, name)
        return 0 if self._digits.holds(str(node).encode()) else node

    def _key(self, key: str) -> str:
        return REMOVED_TAG if self._digits.holds(key.encode("utf-8", "surrogatepass")) else key

    def _string(self, text: str, name: str) -> str:
        content = text.encode("utf-8", "surrogatepass")
        if text[:1] in ("{", "["):
            return self.redacted(content, name).decode("utf-8", "surrogatepass")
        return _substitute(name) if self._long.holds(content) else text


def _substitute(name: str) -> str:
    """What stands for a removed text in a place of this name."""
    return REMOVED_TAG if name in _TAGS else REMOVED


class _Finder:
    """Whether any of some needles stands in a text."""

    def __init__(self, needles: Sequence[Needle]) -> None:
        self._index = NeedleIndex(needles)
        self._whole = frozenset(n.value for n in needles if n.is_whole_only and n.value)

    def holds(self, content: bytes) -> bool:
        found = np.zeros(self._index.count, bool)
        self._index.find(content, found)
        return bool(found.any()) or content in self._whole


def _replaced(node: Json, is_removed: Callable[[str], bool]) -> Json:
    """The tree with a text in place of every metadata value whose JSON is to be removed, and without its description."""
    if isinstance(node, list):
        return [_replaced(child, is_removed) for child in node]
    if not isinstance(node, dict):
        return node
    kind = node.get("__class__")
    if isinstance(kind, str) and _VALUE.fullmatch(kind):
        value = {key: child for key, child in node.items() if key != "__class__"}
        return dict(_TEXT) if is_removed(json.dumps(value, ensure_ascii=False)) else node
    changed = {key: _replaced(child, is_removed) for key, child in node.items()}
    if kind == _ENTRY and changed.get("description") and changed.get("entry_data") == _TEXT:
        changed["description"] = None
    return changed
