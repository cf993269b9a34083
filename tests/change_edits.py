"""Edits of the project in change_project.py, and the form in which change_matrix.py says what each of them reaches."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from curation_assets.assets.plan import Plan
from curation_assets.scores import all_scores
from curation_assets.tables import Column
from tests.change_project import SKEWED, Witnesses, World, WrittenClip, write_shard

Change = Callable[[World, pytest.MonkeyPatch], object]
Counts = Mapping[str, tuple[int, int]]

# The matrix names all that reads a shard, so it keeps to these; a score that is added has tests of its own.
SCORES = ("caption_language", "caption_length", "clip_score", "image_size", "prototype_distance", "semdedup_similarity")


@dataclass(frozen=True)
class Edit:
    """A change, what of it is planned, and what then runs.

    Partitions are named with a place: `[*]` are all shards; `[new]` is one that was added and `[old]` all but it; `[0]` and
    `[2]` are the shards 00000 and 00002, `[not_0]` and `[not_2]` the old others; `[first]` and `[second]` halves of the old.

    Args:
        name: of the test.
        change: makes it.
        certain: partitions that the plan announces without reserve.
        uncertain: partitions that the plan announces for the case that an input comes out different.
        ran: partitions that are materialized; None is all that is planned.
        renewed: partitions that are made together with others and came out as they were, so that only their record is written.
        unforeseen: of those, which no plan could announce, because a measurement decides.
        twice: of those, which are made a second time after that measurement.
        rows: rows made and rows taken over, of each partition that counts them.
        embedded: samples of each shard that the encoder is given, by place.
        prepare: an earlier change that has been carried out already.
    """

    name: str
    change: Change
    certain: str = ""
    uncertain: str = ""
    ran: str | None = None
    renewed: str = ""
    unforeseen: str = ""
    twice: str = ""
    rows: Counts = field(default_factory=dict)
    embedded: Mapping[str, int] = field(default_factory=dict)
    prepare: Change | None = None


def at(place: str, *names: str) -> str:
    """Names with a place behind each."""
    return " ".join(["", *(f"{name}[{place}]" for group in names for name in group.split()), ""])


def rows(place: str, made: int, reused: int, *names: str) -> dict[str, tuple[int, int]]:
    """The same counts for names at a place."""
    return dict.fromkeys(at(place, *names).split(), (made, reused))


def expanded(names: str, old: int, *, has_new: bool) -> list[str]:
    """Names of partitions with their places spelled out; there were `old` shards before the edit."""
    numbers: dict[str, Iterable[int]] = {
        **{"*": range(old + has_new), "old": range(old), "new": range(old, old + 1)},
        **{"first": range(old // 2), "second": range(old // 2, old)},
        **{"0": [0], "not_0": range(1, old), "2": [2], "not_2": [number for number in range(old) if number != 2]},
    }
    found: list[str] = []
    for name in names.split():
        asset, _, place = name.removesuffix("]").partition("[")
        found += [f"{asset}[{number:05d}]" for number in numbers[place]] if place else [asset]
    return found


def foretold(edit: Edit, old: int, *, has_new: bool) -> tuple[Counter[str], Counter[str]]:
    """Partitions that the plan has to announce: certain ones, and uncertain ones."""
    certain, uncertain = (expanded(names, old, has_new=has_new) for names in (edit.certain, edit.uncertain))
    return Counter(certain), Counter(uncertain)


def announced(plan: Plan) -> tuple[Counter[str], Counter[str]]:
    """Partitions that a plan announces: certain ones, and uncertain ones."""
    certain, uncertain = (Counter(one.name for one in plan.due if one.is_certain is wanted) for wanted in (True, False))
    return certain, uncertain


def expected(edit: Edit, old: int, *, has_new: bool) -> Witnesses:
    """What an apply after the edit has to do; there were `old` shards before."""
    names = partial(expanded, old=old, has_new=has_new)
    ran = {*names(f"{edit.certain} {edit.uncertain}" if edit.ran is None else edit.ran), *names(edit.unforeseen)}
    return Witnesses(
        applied=ran,
        recorded=ran,
        renewed=set(names(edit.renewed)),
        events=Counter(ran) + Counter(names(edit.twice)),
        rows={name: count for places, count in edit.rows.items() for name in names(places)},
        embedded=sum(count * len(names(f"any[{place}]")) for place, count in edit.embedded.items()),
        faults={},
    )


@contextmanager
def these_scores() -> Iterator[None]:
    """No scores but those of the matrix, whatever else the folder has."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(all_scores()) - set(SCORES):
            patch.delitem(all_scores(), name)
        yield


def filters(subset: str, *keep: object) -> Change:
    """Other filters of a subset."""
    return lambda world, patch: world.recipe["subsets"][subset].update(keep=list(keep))


def section(name: str, **values: object) -> Change:
    """Other values in a section of the recipe."""
    return lambda world, patch: world.recipe[name].update(values)


def score(name: str, **values: object) -> Change:
    """Another declaration of a score."""
    return lambda world, patch: patch.setitem(all_scores(), name, replace(all_scores()[name], **values))


def all_of(*changes: Change) -> Change:
    return lambda world, patch: [change(world, patch) for change in changes]


def rename_aligned(world: World, patch: pytest.MonkeyPatch) -> None:
    subsets = world.recipe["subsets"]
    subsets["matched"] = subsets.pop("aligned")
    subsets["typical"]["from"] = "matched"


def rearrange(world: World, patch: pytest.MonkeyPatch) -> None:
    """Another order of keys, and a comment."""
    world.recipe["subsets"] = dict(reversed(world.recipe["subsets"].items()))
    world.recipe = dict(reversed(world.recipe.items()))
    world.comment = "# why these numbers: see the minutes\n"


def settings_of_no_row(world: World, patch: pytest.MonkeyPatch) -> None:
    """How fast, when, and what to warn of."""
    world.recipe["encoder"].update(batch_size=7, decode_workers=0)
    world.recipe["pool"].update(max_removed_fraction=0.1)
    world.recipe["subsets"]["basic"].update(kept_fraction=[0.1, 0.9])
    world.recipe["automation"] = {"run": "on_schedule"}


def add_shard(world: World, patch: pytest.MonkeyPatch) -> None:
    write_shard(world.tar(len(list((world.folder / "pool").iterdir()))), SKEWED)


def touch(world: World, patch: pytest.MonkeyPatch) -> None:
    os.utime(world.tar(2), ns=(1, 1))


def narrow_basic(world: World, patch: pytest.MonkeyPatch) -> None:
    world.recipe["subsets"]["typical"]["from"] = "basic"


def second_weights(world: World, patch: pytest.MonkeyPatch) -> None:
    """Another file, which the encoder does not read: the weights are the same."""
    world.recipe["encoder"]["pretrained"] = "second.weights"


def another_checkpoint(world: World, patch: pytest.MonkeyPatch) -> None:
    second_weights(world, patch)
    world.clip = WrittenClip(1)


def half_clip_score(image_embedding: np.ndarray, text_embedding: np.ndarray) -> np.ndarray:
    return _CLIP_SCORE.compute(image_embedding, text_embedding) / 2


def both_sides(width: np.ndarray, height: np.ndarray) -> dict[str, np.ndarray]:
    return {**_IMAGE_SIZE.compute(width, height), "max_side_px": np.maximum(width, height)}


_CLIP_SCORE, _IMAGE_SIZE = all_scores()["clip_score"], all_scores()["image_size"]
WITH_BOTH_SIDES = (*_IMAGE_SIZE.columns, Column("max_side_px", pa.int32(), "longer side, px", bounds=(1, None)))
