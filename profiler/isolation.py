"""A function run in a killable child process: time limit, memory limit, outcome; no torch here.

The child is forked from a server process that has torch loaded already (0.03 s instead of 1.6 s),
and dies with its parent, even on kill -9. Its function is named by text, because this process must
not import what the child imports.
"""

import contextlib
import fcntl
import importlib
import math
import multiprocessing as mp
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import connection, forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any

import psutil

from advisor.errors import AdvisorError, TaskInvalidError
from advisor.evidence import Outcome

_POLL_SECONDS = 0.05
# torch.optim imports torch._dynamo at its first step: 0.8 s in every child, so it is loaded once.
_PRELOADED = ["profiler.leg", "profiler.probe_step", "torch._dynamo"]
_start_lock = threading.Lock()
_torch_is_loaded = threading.Event()  # in the server process, as a child of it has shown


class ChildFailedError(AdvisorError):
    """A child process ended without finishing its work."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome: Outcome = outcome
        self.detail = detail

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.outcome, self.detail)


def in_child(
    function: str,
    arguments: dict[str, Any],
    *,
    needs_torch: bool = True,
    time_limit_seconds: float = 3600.0,
    memory_limit_bytes: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Any]:
    """Yield what the generator function "module:name" yields in a child process.

    Raises ChildFailedError with outcome `timed_out`, `out_of_memory`, `cancelled` or `failed`;
    a TaskInvalidError raised in the child is raised here as it is.

    What needs no torch waits for none to be loaded: it is forked where torch is there already,
    else a plain child, in 0.3 s.
    """
    oom_kills = _oom_kills()
    is_forked = needs_torch or _torch_is_loaded.is_set()
    process, receiver = _start(function, arguments, is_forked)
    watch = _Watch(process.pid, time_limit_seconds, memory_limit_bytes, should_stop)
    try:
        while True:
            if receiver.poll(_POLL_SECONDS):
                try:
                    kind, content = receiver.recv()
                except EOFError:
                    break
                if is_forked:
                    _torch_is_loaded.set()
                if kind == "item":
                    yield content
                    watch.check()
                    continue
                if kind == "error":
                    raise content
                return
            watch.check()
        process.join()
        raise _death(process.exitcode, was_oom=_oom_kills() > oom_kills)
    finally:
        receiver.close()
        process.kill()
        process.join()


def start_server() -> None:
    """Have the server process load torch from now on, while this process does something else."""
    with _start_lock, _main_file_hidden(), _waiting_threads_sleep():
        mp.get_context("forkserver").set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()


def wait_for_server() -> None:
    """Return when the server process has loaded torch: the next child starts at once."""
    with contextlib.suppress(ChildFailedError):
        list(in_child("builtins:list", {}))


def _start(
    function: str, arguments: dict[str, Any], is_forked: bool
) -> tuple[BaseProcess, connection.Connection]:
    forked, plain = mp.get_context("forkserver"), mp.get_context("spawn")
    with _start_lock, _main_file_hidden(), _waiting_threads_sleep():
        if is_forked:
            forked.set_forkserver_preload(_PRELOADED)
        receiver, sender = plain.Pipe(duplex=False)
        start = forked.Process if is_forked else plain.Process
        process = start(target=_child, args=(sender, function, arguments), daemon=True)
        process.start()
        sender.close()
    return process, receiver


@contextlib.contextmanager
def _main_file_hidden() -> Iterator[None]:
    """multiprocessing would run this program's main file again in every child (0.3 s each)."""
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path is None or main.__spec__ is not None:
        yield
        return
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = path


@contextlib.contextmanager
def _waiting_threads_sleep() -> Iterator[None]:
    """OpenMP threads that spin at barriers make a step up to 100 times slower on a busy machine."""
    name, before = "OMP_WAIT_POLICY", os.environ.get("OMP_WAIT_POLICY")
    os.environ[name] = before or "PASSIVE"  # read once, when the child's OpenMP is loaded
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


def _child(sender: connection.Connection, function: str, arguments: dict[str, Any]) -> None:
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the group; the parent decides.
    module, name = function.split(":")
    try:
        for item in getattr(importlib.import_module(module), name)(**arguments):
            sender.send(("item", item))
        sender.send(("done", None))
    except TaskInvalidError as error:
        sender.send(("error", error))
    except MemoryError as error:
        sender.send(("error", ChildFailedError("out_of_memory", f"out of memory: {error}")))
    except Exception as error:  # everything a training can raise is an outcome, never a crash
        # torch reports a refused allocation as a plain RuntimeError.
        outcome: Outcome = "out_of_memory" if "allocate" in str(error) else "failed"
        detail = f"{type(error).__name__}: {error}"[:2000]
        with contextlib.suppress(BrokenPipeError):  # who would read it has gone
            sender.send(("error", ChildFailedError(outcome, detail)))


def _die_with_parent() -> None:
    parent = mp.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(9)

    threading.Thread(target=watch, daemon=True).start()


class _Watch:
    """Looks at a child's limits, at most about 20 times a second; raises ChildFailedError."""

    def __init__(
        self,
        pid: int | None,
        time_limit_seconds: float,
        memory_limit_bytes: float | None,
        should_stop: Callable[[], bool],
    ) -> None:
        self._pid, self._should_stop = pid, should_stop
        self._time_limit, self._memory_limit = time_limit_seconds, memory_limit_bytes
        self._started = self._looked_at = time.monotonic()

    def check(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < 0.9 * _POLL_SECONDS:
            return
        self._looked_at = now
        if self._should_stop():
            raise ChildFailedError("cancelled", "cancelled while it ran")
        if now - self._started > self._time_limit:
            detail = f"took longer than its limit of {self._time_limit:.1f} s"
            raise ChildFailedError("timed_out", detail)
        if self._memory_limit is not None and self._pid is not None:
            _check_memory(self._pid, self._memory_limit)


def _check_memory(pid: int, limit_bytes: float) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        used = psutil.Process(pid).memory_info().rss
        if used > limit_bytes:
            detail = f"used {used / 2**30:.2f} GiB, more than its {limit_bytes / 2**30:.2f} GiB"
            raise ChildFailedError("out_of_memory", detail)


def _oom_kills() -> int:
    """How many processes the kernel has killed for their memory, in this machine's containers too.

    0 where it does not tell.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _death(exit_code: int | None, *, was_oom: bool) -> ChildFailedError:
    if exit_code == -signal.SIGKILL and was_oom:
        return ChildFailedError("out_of_memory", "killed by the system, most likely for its memory")
    if exit_code is not None and exit_code < 0:
        return ChildFailedError("failed", f"died of {signal.Signals(-exit_code).name}")
    return ChildFailedError("failed", f"ended with exit status {exit_code} and no answer")


@contextlib.contextmanager
def device_slot(
    data_dir: Path,
    slot: str,
    *,
    deadline: float = math.inf,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Hold the device: one leg at a time, over all processes that share this data folder.

    Whoever waits goes before whoever comes back. Raises ChildFailedError `cancelled` when
    `should_stop` turns true or `deadline` (time.monotonic()) passes before the device is free.
    """
    folder = data_dir / "devices"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{slot}.next", "w") as turn, open(folder / f"{slot}.lock", "w") as lock:
        for waited in (turn, lock):
            while not _is_locked_now(waited):
                if should_stop():
                    raise ChildFailedError("cancelled", "cancelled while the device was busy")
                if time.monotonic() > deadline:
                    raise ChildFailedError("cancelled", "the device was busy until the deadline")
                time.sleep(_POLL_SECONDS)
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield


def _is_locked_now(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
