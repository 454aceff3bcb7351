"""A child that hangs, dies, hoards or is stopped becomes an outcome, and never outlives us."""

import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from advisor.errors import DataInvalidError
from profiler import isolation
from profiler.isolation import ChildFailedError, device_slot, in_child

pytestmark = pytest.mark.slow
HERE = "tests.profiler.misbehaving"


def run(function: str, **limits: object) -> list[object]:
    return list(in_child(f"{HERE}:{function}", {}, needs_torch=False, **limits))


def failure(function: str, **limits: object) -> ChildFailedError:
    with pytest.raises(ChildFailedError) as caught:
        run(function, **limits)
    return caught.value


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def test_what_the_child_yields_arrives_in_order() -> None:
    assert list(in_child(f"{HERE}:count", {"until": 500}, needs_torch=False)) == list(range(500))


def test_the_child_is_another_process_whose_waiting_threads_sleep() -> None:
    ((pid, wait_policy),) = run("who_am_i")
    assert pid != os.getpid()
    assert wait_policy == "PASSIVE"
    assert "OMP_WAIT_POLICY" not in os.environ


def test_what_needs_no_torch_is_forked_only_once_torch_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(isolation, "_torch_is_loaded", threading.Event())
    assert run("born_of") == [os.getpid()], "nobody waits for torch to be loaded"
    isolation.wait_for_server()
    (server,) = run("born_of")
    assert psutil.Process(server).ppid() == os.getpid() != server


@pytest.mark.parametrize(
    ("function", "limits", "outcome", "says"),
    [
        ("hang", {"time_limit_seconds": 1.5}, "timed_out", "1.5 s"),
        ("segfault", {}, "failed", "SIGSEGV"),
        ("be_killed", {}, "failed", "SIGKILL"),
        ("leave", {}, "failed", "exit status 3"),
        ("allocate", {"memory_limit_bytes": 300 * 2**20}, "out_of_memory", "0.29 GiB"),
        ("refuse_memory", {}, "out_of_memory", "too much"),
        ("raise_value_error", {}, "failed", "ValueError: no such thing"),
        ("hang", {"should_stop": lambda: True}, "cancelled", "cancelled"),
    ],
)
def test_a_misbehaving_child_becomes_an_outcome(
    function: str, limits: dict[str, object], outcome: str, says: str
) -> None:
    run("who_am_i")  # multiprocessing starts its resource tracker, which stays
    before = children()
    error = failure(function, **limits)
    assert error.outcome == outcome
    assert says in error.detail
    assert children() == before


def test_a_child_that_the_system_killed_for_its_memory_is_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = itertools.count()
    monkeypatch.setattr(isolation, "_oom_kills", lambda: next(counts))
    assert failure("be_killed").outcome == "out_of_memory"


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [
        ({"should_stop": lambda: True}, "cancelled"),
        ({"time_limit_seconds": 0.5}, "timed_out"),
        ({"memory_limit_bytes": 2**20}, "out_of_memory"),
    ],
)
def test_a_child_that_never_stops_talking_is_stopped_too(
    limits: dict[str, object], outcome: str
) -> None:
    started = time.monotonic()
    with pytest.raises(ChildFailedError) as caught:
        list(in_child(f"{HERE}:chatter", {"n": 1000}, needs_torch=False, **limits))
    assert caught.value.outcome == outcome
    assert time.monotonic() - started < 5


def test_a_task_error_of_the_child_is_raised_as_it_is() -> None:
    with pytest.raises(DataInvalidError, match="the file is empty"):
        run("raise_data_error")


def test_a_caller_that_leaves_early_leaves_no_child_behind() -> None:
    run("who_am_i")
    before = children()
    for item in in_child(f"{HERE}:hang", {}, needs_torch=False):
        assert item == "started"
        break
    assert children() == before


@pytest.mark.parametrize("needs_torch", [True, False])
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path, needs_torch: bool) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        "from profiler.isolation import in_child\n"
        f"for item in in_child('{HERE}:hang', {{}}, needs_torch={needs_torch}):\n"
        "    print(item, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    parent = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    family = psutil.Process(parent.pid).children(recursive=True)
    assert family
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_a_device_slot_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []

    def hold(name: str) -> None:
        with device_slot(tmp_path, "cpu0"):
            order.append(f"{name} in")
            time.sleep(0.1)
            order.append(f"{name} out")

    threads = [threading.Thread(target=hold, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.split()[1] for entry in order] == ["in", "out", "in", "out"]


@pytest.mark.parametrize(
    ("waits", "says"),
    [({"should_stop": lambda: True}, "cancelled while"), ({"deadline": 0.0}, "busy until")],
)
def test_waiting_for_a_busy_device_ends_with_the_budget_or_a_cancellation(
    tmp_path: Path, waits: dict[str, object], says: str
) -> None:
    with (
        device_slot(tmp_path, "cpu0"),
        pytest.raises(ChildFailedError, match=says) as caught,
        device_slot(tmp_path, "cpu0", **waits),
    ):
        pass
    assert caught.value.outcome == "cancelled"
    with device_slot(tmp_path, "cpu0", **waits):
        pass  # a free device is taken at once, whatever the limits are


def test_whoever_waits_for_the_device_goes_before_whoever_comes_back(tmp_path: Path) -> None:
    held: list[str] = []

    def wait_once() -> None:
        with device_slot(tmp_path, "cpu0"):
            held.append("waited")

    waiting = threading.Thread(target=wait_once)
    with device_slot(tmp_path, "cpu0"):
        waiting.start()
        time.sleep(0.2)
    with device_slot(tmp_path, "cpu0"):
        held.append("came back")
    waiting.join()
    assert held == ["waited", "came back"]
