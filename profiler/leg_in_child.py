"""run_leg_in_child: one leg in a killable child, everything that can go wrong as an outcome."""

import time
from collections.abc import Callable

from advisor.calibration import Prepared
from advisor.evidence import Leg, LegReport, Measurement
from profiler.isolation import ChildFailedError, device_slot, in_child
from profiler.workspace import Workspace

_GRACE_SECONDS = 2.0


def run_leg_in_child(
    prepared: Prepared,
    leg: Leg,
    workspace: Workspace,
    deadline: float,
    should_stop: Callable[[], bool] = lambda: False,
) -> LegReport:
    """Run a leg until its end or `deadline` (time.monotonic()) and report it; never raises.

    Past the deadline the child ends by itself at its next step; a second or two later it is killed.
    """
    started = time.monotonic()
    measurements: list[Measurement] = []
    outcome, detail, examples, train_seconds, peak_bytes = (
        "failed",
        None,
        leg.from_examples,
        0.0,
        None,
    )
    arguments = {
        "prepared": prepared,
        "leg": leg,
        "states_dir": str(workspace.states_dir(prepared.task_fingerprint)),
        "n_threads": workspace.device.n_threads,
        "deadline": deadline,
    }
    try:
        with device_slot(workspace.data_dir, workspace.device_slot):
            for message in in_child(
                "profiler.leg:run_leg",
                arguments,
                time_limit_seconds=max(0.0, deadline - time.monotonic()) + _GRACE_SECONDS,
                memory_limit_bytes=workspace.memory_limit_bytes,
                should_stop=should_stop,
            ):
                if isinstance(message, Measurement):
                    measurements.append(message)
                    continue
                outcome = "diverged" if message.diverged else "completed"
                detail, examples = message.detail, message.examples
                train_seconds, peak_bytes = message.train_seconds, message.peak_bytes
    except ChildFailedError as error:
        outcome, detail = error.outcome, error.detail
    return LegReport(
        leg=leg,
        outcome=outcome,
        measurements=tuple(measurements),
        examples=examples,
        train_seconds=train_seconds,
        wall_seconds=time.monotonic() - started,
        peak_bytes=peak_bytes,
        detail=detail,
    )
