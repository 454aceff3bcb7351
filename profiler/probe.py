"""probe: step seconds and peak bytes of every loss at the task's full size, interleaved.

Round after round times every shape once, so that a machine that slows down slows all of them;
medians over all rounds, with the quartiles as interval.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence

from advisor.calibration import Prepared
from advisor.evidence import Candidate, StepCost
from advisor.value import Interval
from profiler.isolation import ChildFailedError, device_slot, in_child
from profiler.messages import ProbeRound
from profiler.workspace import Workspace

_ROUNDS = 3
_ROUND_SECONDS = 0.25


def probe(
    prepared: Prepared,
    shapes: Sequence[Candidate],
    workspace: Workspace,
    limit_seconds: float,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[StepCost]:
    """Yield each shape's cost once known; a shape that does not fit or crashes says so.

    One round always runs, within `limit_seconds` shared fairly; two more follow if time allows.
    """
    deadline = time.monotonic() + limit_seconds
    rounds: dict[str, list[ProbeRound]] = {}
    failed: dict[str, ChildFailedError] = {}
    for number in range(_ROUNDS):
        started = time.monotonic()
        for shape in shapes:
            if shape.key in failed or should_stop():
                continue
            limit = max(2.0, (deadline - started) / len(shapes))
            try:
                seen = _round(prepared, shape, workspace, limit, should_stop)
                rounds.setdefault(shape.key, []).append(seen)
            except ChildFailedError as error:
                failed[shape.key] = error
        took = time.monotonic() - started
        if number + 1 < _ROUNDS and time.monotonic() + took > deadline:
            break
    for shape in shapes:
        if shape.key in failed or shape.key in rounds:
            yield _pooled(prepared, shape, rounds.get(shape.key, []), failed.get(shape.key))


def _round(
    prepared: Prepared,
    shape: Candidate,
    workspace: Workspace,
    limit_seconds: float,
    should_stop: Callable[[], bool],
) -> ProbeRound:
    arguments = {
        "prepared": prepared,
        "candidate": shape,
        "n_threads": workspace.device.n_threads,
        "seconds": min(_ROUND_SECONDS, limit_seconds / 4),
    }
    with device_slot(workspace.data_dir, workspace.device_slot):
        (seen,) = in_child(
            "profiler.probe_step:probe_step",
            arguments,
            time_limit_seconds=limit_seconds,
            memory_limit_bytes=workspace.memory_limit_bytes,
            should_stop=should_stop,
        )
    return seen


def _pooled(
    prepared: Prepared, shape: Candidate, rounds: list[ProbeRound], error: ChildFailedError | None
) -> StepCost:
    times = [s for r in rounds for s in r.step_seconds]
    low, median, high = (
        statistics.quantiles(times, n=4) if len(times) > 1 else times * 3 or [0.0] * 3
    )
    return StepCost(
        candidate=shape,
        outcome=error.outcome if error else "completed",
        batch_size=prepared.task.training.batch_size,
        step_seconds=Interval(low=low, mean=median, high=high) if times else None,
        evaluation_seconds=min((r.evaluation_seconds for r in rounds), default=None),
        peak_bytes=max((r.peak_bytes for r in rounds), default=None),
        detail=error.detail if error else None,
    )
