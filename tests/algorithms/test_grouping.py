"""Equal values, places in groups and connected components, each against the slow way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.grouping import chained, components, equal_values, places

groups = st.lists(st.integers(-3, 3), max_size=30)


@given(groups)
def test_equal_values_against_a_dictionary(drawn: list[int]):
    seen: dict[int, int] = {}
    expected = [seen.setdefault(value, len(seen)) for value in drawn]
    numbers = np.array(drawn, np.int64)
    texts = np.empty(len(drawn), object)
    texts[:] = [str(value) for value in drawn]
    binary = np.empty(len(drawn), object)
    binary[:] = [b"\0\xff" * (value + 4) for value in drawn]
    assert equal_values(numbers).tolist() == expected
    assert equal_values(np.column_stack([np.zeros_like(numbers), numbers])).tolist() == expected
    assert equal_values(texts).tolist() == expected
    assert equal_values(binary).tolist() == expected


@given(groups)
def test_places_against_loops(drawn: list[int]):
    found = places(np.array(drawn, np.int64))
    assert found.rank.tolist() == [drawn[:row].count(value) for row, value in enumerate(drawn)]
    assert found.size.tolist() == [drawn.count(value) for value in drawn]
    assert found.survivor.tolist() == [drawn.index(value) for value in drawn]


def flooded(n: int, edges: list[tuple[int, int]]) -> list[int]:
    """Smallest row reached from each row by walking along edges."""
    smallest = []
    for row in range(n):
        reached, waiting = {row}, [row]
        while waiting:
            here = waiting.pop()
            for edge in edges:
                for other in set(edge) - reached if here in edge else ():
                    reached.add(other)
                    waiting.append(other)
        smallest.append(min(reached))
    return smallest


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=25), st.integers(1, 9))
def test_components_against_walking(edges: list[tuple[int, int]], block: int):
    pairs = np.array(edges, np.int64).reshape(-1, 2)
    blocks = [(pairs[at : at + block, 0], pairs[at : at + block, 1]) for at in range(0, len(pairs), block)]
    assert components(15, blocks).tolist() == flooded(15, edges)


@pytest.mark.parametrize("order", ["forward", "backward", "shuffled", "star"])
def test_long_paths_and_stars(order: str):
    n = 20_000
    rows = {
        "forward": np.arange(n),
        "backward": np.arange(n)[::-1],
        "shuffled": np.random.default_rng(0).permutation(n),
        "star": np.arange(n),
    }[order]
    left = np.full(n - 1, n - 1) if order == "star" else rows[:-1]
    right = np.arange(n - 1) if order == "star" else rows[1:]
    assert not components(n, [(left, right)]).any()


def test_a_chain_connects_each_group_and_no_more():
    group = np.array([4, 4, 1, 4, 1, 0])
    left, right = chained(group)
    assert len(left) == 3
    assert components(6, [(left, right)]).tolist() == [0, 0, 2, 0, 2, 5]


def test_no_rows():
    nothing = np.zeros(0, np.int64)
    assert [len(part) for part in places(nothing)] == [0, 0, 0]
    assert len(components(0, [])) == len(equal_values(nothing)) == 0
