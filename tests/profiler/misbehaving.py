"""Child functions that do what a training can do to its process."""

import os
import signal
import time
from collections.abc import Iterator

from advisor.errors import DataInvalidError


def count(until: int) -> Iterator[int]:
    yield from range(until)


def chatter(n: int) -> Iterator[int]:
    for number in range(n):
        time.sleep(0.01)
        yield number


def who_am_i() -> Iterator[tuple[int, str | None]]:
    yield os.getpid(), os.environ.get("OMP_WAIT_POLICY")


def born_of() -> Iterator[int]:
    yield os.getppid()


def hang() -> Iterator[str]:
    yield "started"
    time.sleep(600)


def segfault() -> Iterator[str]:
    yield "started"
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


def be_killed() -> Iterator[str]:
    yield "started"
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def leave() -> Iterator[str]:
    yield "started"
    os._exit(3)


def allocate() -> Iterator[str]:
    yield "started"
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(1) * (16 * 2**20)))
        time.sleep(0.005)


def refuse_memory() -> Iterator[str]:
    yield "started"
    raise MemoryError("that was too much")


def raise_value_error() -> Iterator[str]:
    yield "started"
    raise ValueError("no such thing")


def raise_data_error() -> Iterator[str]:
    yield "started"
    raise DataInvalidError("the file is empty")
