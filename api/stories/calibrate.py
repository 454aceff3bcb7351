"""The story of a calibration: asked for, run (and run on after an interruption), cancelled.

What the loop tells goes to the store event by event, and what the store holds of a task is where
the loop begins: an interrupted calibration goes on, and a told leg is never trained again.
"""

import logging
from collections.abc import Callable

from advisor.calibration import Calibration, Event
from advisor.errors import AdvisorError
from advisor.task import Task
from api.stories import ask_tell
from api.stories.helping import Crew
from api.stories.read import check_budget, check_task
from api.stories.recommend import recommend_now
from api.stories.running import CalibrationInterruptedError, Run
from api.stories.service import COMMAND_LINE_TAG, EXTERNAL_TAG, LOCAL, Service

__all__ = ["COMMAND_LINE_TAG", "CalibrationInterruptedError", "cancel", "request", "run"]

_log = logging.getLogger(__name__)
_ENDED = ("succeeded", "failed", "cancelled")


def request(
    service: Service,
    task: Task,
    budget_seconds: float,
    device_tag: str = COMMAND_LINE_TAG,
    *,
    tenant: str = LOCAL,
    id: str | None = None,
) -> Calibration:
    """A new calibration, queued, or the one that has this `id` already.

    Raises for a task or a budget that cannot be served.
    """
    check_budget(service, budget_seconds)
    check_task(service, task, tenant)
    return service.store.calibrations.create(
        task, budget_seconds, device_tag, tenant, service.n_open_max, id=id
    )


def run(
    service: Service,
    calibration_id: str,
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    check: Callable[[], None] = lambda: None,
    crew: Crew | None = None,
) -> Calibration:
    """Run a calibration to its end, from wherever it stands, and return it as it ended.

    `check` is called many times a second and before every write; what it raises as
    CalibrationInterruptedError ends this run at once and leaves the calibration as it is, to be
    run on later. Everything else that goes wrong ends the calibration as failed. Idle workers of
    the `crew` are asked for help.
    """
    calibration = service.store.calibrations.start(calibration_id)
    if calibration.status in _ENDED:
        return calibration
    try:
        return Run(service, calibration, on_event, check, crew).to_the_end()
    except CalibrationInterruptedError:
        raise
    except AdvisorError as error:
        check()  # whoever stops this process may have ended the child that failed
        return _failed(service, calibration_id, str(error))
    except Exception as error:
        check()
        _log.exception("calibration %s failed", calibration_id)
        sentence = f"failed unexpectedly ({type(error).__name__}); its worker's log says why"
        return _failed(service, calibration_id, sentence)


def cancel(service: Service, calibration_id: str, *, tenant: str = LOCAL) -> Calibration:
    """Ask a calibration to stop; it still answers, with the best so far.

    One that runs ends a moment later; one that is queued is answered here, from what is known
    without it, and never runs; one that has ended is returned as it is.
    """
    calibrations = service.store.calibrations
    calibration = calibrations.request_cancel(tenant, calibration_id)
    if calibration.device_tag == EXTERNAL_TAG:
        return ask_tell.decide(service, tenant, calibration_id)
    if calibration.status != "queued":
        return calibration
    try:
        answer = recommend_now(
            service, calibration.task, tenant=tenant, calibration_id=calibration_id
        )
    except AdvisorError as error:
        return calibrations.finish(calibration_id, "cancelled", error=str(error))
    return calibrations.finish(calibration_id, "cancelled", recommendation_id=answer.id)


def _failed(service: Service, calibration_id: str, sentence: str) -> Calibration:
    calibrations = service.store.calibrations
    status = "cancelled" if calibrations.is_cancel_requested(calibration_id) else "failed"
    return calibrations.finish(calibration_id, status, error=sentence)
