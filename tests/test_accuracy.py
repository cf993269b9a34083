"""The page about accuracy holds what is measured, the goals are met, and the counting is right on cases for paper."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?)")
DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def accuracy() -> Iterator[ModuleType]:
    """docs/accuracy.py, whose neighbours are found as when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        import accuracy

        yield accuracy


@pytest.fixture(scope="module")
def lines(accuracy: ModuleType, real_pool: Path) -> list:
    pairs = accuracy.accuracy_pairs
    hashes, rows = pairs.read_pictures(real_pool)
    return pairs.lines(pairs.judge(pairs.distances(hashes), rows, pairs.read_hard_negatives(real_pool)))


@pytest.fixture(scope="module")
def run(accuracy: ModuleType, real_pool: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    """The whole pipeline over the real pool, without an encoder."""
    return accuracy.curate(real_pool, tmp_path_factory.mktemp("curated"), with_encoder=False, report=print)


@pytest.mark.slow
def test_reencoded_and_resized_copies_are_found_at_radius_4(lines: list) -> None:
    at_4 = lines[4]
    found, wanted = at_4.recall("reencode", "resize")
    assert (at_4.radius, wanted) == (4, 90)
    assert found >= 0.99 * wanted
    assert at_4.found["all"] >= 0.99 * (at_4.found["all"] + at_4.wrong)


@pytest.mark.slow
def test_exactly_the_equal_files_are_dropped_but_one(accuracy: ModuleType, run) -> None:
    dropped = run.dropped("image_copies")
    right, wanted = accuracy.accuracy_defects.copies(dropped, [row["exact_group"] or None for row in run.rows])
    assert right == wanted == dropped.sum() > 0


@pytest.mark.slow
def test_broken_images_are_rejected_with_their_reason_and_no_others(accuracy: ModuleType, run) -> None:
    counts = accuracy.accuracy_defects.rejects(run)
    assert {defect: planted for defect, (planted, _, _) in counts.items()} == {
        "truncated_image": 30, "non_image_bytes": 15, "zero_byte_image": 8, "bomb_header": 4,
    }  # fmt: skip
    assert [one for one in counts.values() if len(set(one)) > 1] == []


@pytest.mark.slow
def test_the_page_is_what_is_measured(accuracy: ModuleType, run, real_pool: Path) -> None:
    """All words, and all numbers but for what another processor's floats may do to a caption or a picture at the border."""
    written, found = (
        NUMBER.split(page) for page in (accuracy.PAGE.read_text(encoding="utf-8"), accuracy.accuracy_page(real_pool, run))
    )
    assert written[::2] == found[::2], "run: make accuracy"
    for before, now in zip(written[1::2], found[1::2], strict=True):
        a, b = (float(number.replace(",", "")) for number in (before, now))
        assert abs(a - b) <= (0.01 if "." in before else max(2, 0.01 * a)), f"{before} became {now}: run make accuracy"


def test_a_missing_pool_is_named(
    accuracy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr(sys, "argv", ["accuracy.py", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as left:
        accuracy.main()
    assert left.value.code == 2
    assert (
        f"no pool with recorded truth at {tmp_path / 'none'}; give its folder: make accuracy POOL=" in capsys.readouterr().err
    )


def row(uid: str, *, near: str = "", exact: str = "", figure: str = "", kind: str = "") -> dict[str, str]:
    detail = f'{{"kind": "{kind}"}}' if kind else "{}"
    defect = "near_duplicate" if kind else ""
    groups = {"near_group": near, "exact_group": exact, "same_figure_group": figure}
    return {"uid": uid, "defect": defect, "defect_detail": detail, **groups}


def test_pairs_are_counted_as_on_paper(accuracy: ModuleType) -> None:
    # a, b: resized copy at 2; c, d: equal files at 0; e, f: one figure drawn twice, at 1; a, c: hard negative at 3;
    # b, e: wrong at 5; g is a crop of a that is never found.
    rows = [
        row("a", near="n1"),
        row("b", near="n1", kind="resize"),
        row("c", exact="e1"),
        row("d", exact="e1"),
        row("e", figure="f1"),
        row("f", figure="f1"),
        row("g", near="n1", kind="crop"),
    ]
    n, pairs = len(rows), accuracy.accuracy_pairs
    found = {0 * n + 1: 2, 2 * n + 3: 0, 4 * n + 5: 1, 0 * n + 2: 3, 1 * n + 4: 5}
    counted = pairs.lines(pairs.judge(found, rows, {frozenset("ac")}))
    assert [line.found["all"] for line in counted[:6]] == [1, 1, 2, 2, 2, 2]
    assert [line.wrong for line in counted[:6]] == [0, 0, 0, 1, 1, 2]
    assert [line.hard for line in counted[:6]] == [0, 0, 0, 1, 1, 1]
    # b and g are two altered copies of a: a pair of copies, of neither kind alone.
    assert counted[0].wanted == {"reencode": 0, "resize": 1, "colour": 0, "hflip": 0, "crop": 1, "exact": 1, "all": 4}
    assert [line.meets_goal for line in counted[:4]] == [False, False, True, False]
    assert "It is met at radius 2: recall 1.000 (1 of 1), precision 1.0000 (2 of 2);" in pairs.goal_line(counted)
    assert pairs.goal_line(counted[3:]).endswith("It is met at no radius.")


def test_chained_groups_join_what_a_third_picture_joins(accuracy: ModuleType) -> None:
    n = 4
    assert accuracy.accuracy_pairs.chained({0 * n + 1: 2, 1 * n + 2: 5}, n) == {0 * n + 1: 2, 1 * n + 2: 5, 0 * n + 2: 5}


@pytest.mark.parametrize(
    ("dropped", "right"),
    [([0, 1, 1, 1, 0, 0], 3), ([1, 1, 1, 1, 1, 1], 3), ([0, 1, 0, 0, 0, 1], 1), ([0, 0, 0, 0, 0, 0], 0)],
)
def test_one_of_each_group_is_to_stay(accuracy: ModuleType, dropped: list[int], right: int) -> None:
    group = ["x", "x", "x", "y", "y", None]
    assert accuracy.accuracy_defects.copies(np.array(dropped, bool), group) == (right, 3)


@pytest.mark.parametrize(("one", "other"), [("iw", "he"), ("fil", "tl"), ("zh-Latn", "zh"), ("en", "en")])
def test_codes_of_one_language_are_one(accuracy: ModuleType, one: str, other: str) -> None:
    assert accuracy.accuracy_captions.same_code(one) == other
