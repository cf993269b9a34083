"""Work by as many threads as there are cores: reading, digests and compression leave the interpreter to each other."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def computed_ahead(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Results in the order of the items, a few of them computed before they are asked for, so that memory stays bounded."""
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(available_cores()) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > available_cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
