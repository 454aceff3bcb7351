"""Requests over connections that stay open, and how long their answers took."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

_IDLE_SECONDS = 2.0


class Timing(NamedTuple):
    """Seconds from the first byte sent to the last one read."""

    n: int
    p50: float
    p99: float
    slowest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Timing":
        middle, late = np.quantile(seconds, (0.5, 0.99))
        return cls(len(seconds), float(middle), float(late), max(seconds))


class Connection:
    """One connection of a client."""

    def __init__(self, base_url: str) -> None:
        where = urlsplit(base_url)
        self._asked = 0.0
        self._http = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        """The body of a good answer; raises RuntimeError for any other."""
        content = None if body is None else json.dumps(body)
        if time.monotonic() - self._asked > _IDLE_SECONDS:
            self._http.close()  # the server may be about to; it opens again by itself
        self._asked = time.monotonic()
        self._http.request(method, path, content, {"Content-Type": "application/json"})
        answer = self._http.getresponse()
        found = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {found[:500]!r}")
        return found

    def post(self, path: str, body: dict[str, Any]) -> bytes:
        return self.ask("POST", path, body)

    def close(self) -> None:
        self._http.close()


def at_rate(asks: Sequence[Callable[[], object]], per_second: float) -> Timing:
    """One after the other, each at its time; an answer that comes late makes the next one wait,
    and that waiting counts."""
    seconds, started = [], time.perf_counter()
    for i, ask in enumerate(asks):
        due = started + i / per_second
        time.sleep(max(0.0, due - time.perf_counter()))
        ask()
        seconds.append(time.perf_counter() - due)
    return Timing.of(seconds)


def one_by_one(asks: Sequence[Callable[[], object]]) -> Timing:
    """One after the other, as fast as they are answered."""
    seconds = []
    for ask in asks:
        started = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - started)
    return Timing.of(seconds)


def per_second(base_url: str, path: str, body: dict[str, Any], n: int, n_clients: int = 4) -> float:
    """Answers a second to clients that each ask again as soon as they are answered."""
    clients = [Connection(base_url) for _ in range(n_clients)]

    def work(client: Connection) -> None:
        for _ in range(n // n_clients):
            client.post(path, body)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    for client in clients:
        client.close()
    return n // n_clients * n_clients / seconds
