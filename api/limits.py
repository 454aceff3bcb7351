"""Limits: how many requests a key may make.

One number per key (the generic cell rate algorithm): the moment up to which its requests are paid
for. It may lie one minute ahead. The `limits` package does the same, but starts a thread with
every request where it keeps its counts in memory.
"""

import time
from collections.abc import Callable

from advisor.errors import AdvisorError

WINDOW_SECONDS = 60.0
_KEYS_MAX = 10_000


class RateExceededError(AdvisorError):
    """Too many requests."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Rate:
    """At most `per_minute` requests in any minute of each key, as counted by this process."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._paid_until: dict[str, float] = {}

    @property
    def n_keys(self) -> int:
        """How many keys it remembers."""
        return len(self._paid_until)

    def count(self, key_id: str) -> None:
        """Count a request; raises RateExceededError instead if there have been too many."""
        now, cost_seconds = self._clock(), WINDOW_SECONDS / self._per_minute
        paid_until = max(self._paid_until.get(key_id, now), now) + cost_seconds
        late_seconds = paid_until - now - WINDOW_SECONDS
        if late_seconds > 1e-6:
            raise RateExceededError(
                f"more than {self._per_minute} requests in a minute with the key {key_id}",
                retry_after_seconds=late_seconds,
            )
        self._paid_until[key_id] = paid_until
        if len(self._paid_until) > _KEYS_MAX:
            self._paid_until = {key: t for key, t in self._paid_until.items() if t > now}
