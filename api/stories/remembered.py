"""Remembered: what was worked out, by all that it depends on, in a bounded number."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """The last `n_max` values by their keys; the one asked for longest ago goes first.

    A key says all that its value depends on, so that nothing here is ever out of date. Safe to
    share between threads.
    """

    def __init__(self, n_max: int) -> None:
        self._n_max = n_max
        self._values: OrderedDict[object, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], T]) -> T:
        """The value of a key, made if there is none; what `make` raises is not remembered."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        # Not under the lock: what takes long must not hold up what is known.
        made = make()
        with self._lock:
            self._values[key] = made
            if len(self._values) > self._n_max:
                self._values.popitem(last=False)
        return made

    def __len__(self) -> int:
        return len(self._values)
