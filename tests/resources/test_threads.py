"""Results come in the order of the items, and not all of them before they are asked for."""

import time
from collections.abc import Iterator

import pytest

from resources.threads import available_cores, computed_ahead


def test_results_come_in_order_whatever_takes_longest() -> None:
    def late(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number * number

    assert list(computed_ahead(late, range(20))) == [number * number for number in range(20)]
    assert list(computed_ahead(late, [])) == []


def test_only_a_few_are_computed_before_they_are_asked_for() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = computed_ahead(lambda number: number, items())
    assert [next(results), next(results)] == [0, 1]
    assert len(taken) <= available_cores() + 2
    results.close()


def test_an_error_comes_where_its_result_would() -> None:
    results = computed_ahead(lambda number: 1 // number, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
