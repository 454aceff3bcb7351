"""run_leg_in_child: one leg in a killable child, everything that can go wrong as an outcome."""

import math
import time
from collections.abc import Callable, Sequence

from advisor.calibration import Prepared
from advisor.evidence import Leg, LegReport, Measurement, Outcome
from profiler.isolation import ChildFailedError, device_slot, in_child
from profiler.messages import GRACE_SECONDS, LegEnd
from profiler.workspace import Workspace

_LATE = "the budget ended before this leg had; nothing of it is kept"


def run_leg_in_child(
    prepared: Prepared,
    leg: Leg,
    workspace: Workspace,
    deadline: float,
    should_stop: Callable[[], bool] = lambda: False,
    on_measurement: Callable[[Measurement], None] = lambda measurement: None,
) -> LegReport:
    """Run a leg until its end or `deadline` (time.monotonic()) and report it; never raises.

    Past the deadline the child ends by itself at its next step; a second or two later it is killed.
    That the budget ended, or that the device was busy until then, says nothing of the candidate:
    such a leg is `cancelled`; one above the workspace's own limit is `timed_out`. What a leg
    measured counts only if its end was saved; meanwhile `on_measurement` is told of it.
    """
    arguments = {
        "prepared": prepared,
        "leg": leg,
        "states_dir": str(workspace.states_dir(prepared.task_fingerprint)),
        "n_threads": workspace.threads(prepared),
        "deadline": deadline,
    }
    started = math.inf
    measurements: list[Measurement] = []
    try:
        with device_slot(
            workspace.data_dir, workspace.device_slot, deadline=deadline, should_stop=should_stop
        ):
            started = time.monotonic()
            for message in in_child(
                "profiler.leg:run_leg",
                arguments,
                time_limit_seconds=min(
                    max(0.0, deadline - started) + GRACE_SECONDS, workspace.leg_limit_seconds
                ),
                memory_limit_bytes=workspace.memory_limit_bytes,
                should_stop=should_stop,
            ):
                if isinstance(message, LegEnd):
                    return _ended(leg, message, measurements, time.monotonic() - started)
                measurements.append(message)
                on_measurement(message)
        raise ChildFailedError("failed", "it ended without a word")
    except ChildFailedError as error:
        is_late = error.outcome == "timed_out" and time.monotonic() >= deadline
        return LegReport(
            leg=leg,
            outcome="cancelled" if is_late else error.outcome,
            examples=leg.from_examples,
            wall_seconds=max(0.0, time.monotonic() - started),  # 0 where it never had the device
            detail=_LATE if is_late else error.detail,
        )


def _ended(
    leg: Leg, end: LegEnd, measurements: Sequence[Measurement], wall_seconds: float
) -> LegReport:
    has_no_step = end.examples <= leg.from_examples and not end.diverged
    outcome: Outcome = "diverged" if end.diverged else "completed"
    return LegReport(
        leg=leg,
        outcome="cancelled" if has_no_step else outcome,
        measurements=tuple(measurements),
        examples=max(end.examples, leg.from_examples),
        train_seconds=end.train_seconds,
        wall_seconds=wall_seconds,
        peak_bytes=end.peak_bytes,
        detail="the budget ended before its first step" if has_no_step else end.detail,
    )
