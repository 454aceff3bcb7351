"""The story of a recommendation at once: from theory and stored profiles, nothing is trained."""

import time

from advisor.calibration import Prepared
from advisor.errors import TaskInvalidError
from advisor.evidence import Device, Profile, StepCost
from advisor.recommend import recommend
from advisor.recommendation import Recommendation
from advisor.task import Task, TaskStatistics
from api.stories.read import check_words, read
from api.stories.service import LOCAL, Service

NEIGHBOURS_MAX = 300


def recommend_now(
    service: Service,
    task: Task,
    *,
    tenant: str = LOCAL,
    device_id: str | None = None,
    calibration_id: str | None = None,
) -> Recommendation:
    """Answer at once, and store the answer; `device_id` None means this device.

    Raises TaskInvalidError, DataInvalidError, UnknownLossError.
    """
    started = time.monotonic()
    check_words(task)
    device = _device(service, tenant, device_id)
    prepared = None
    if task.data is not None:
        prepared = read(service, task, tenant).model_copy(update={"device": device})
    statistics = prepared.statistics if prepared else task.statistics
    answer = recommend(
        prepared.task if prepared else task,
        known_profiles(service, tenant, task, statistics, prepared=prepared),
        device,
        prepared=prepared,
        costs=known_costs(service, tenant, prepared) if prepared else (),
        elapsed_seconds=time.monotonic() - started,
    )
    answer = answer.model_copy(update={"calibration_id": calibration_id})
    return service.store.recommendations.save(answer, tenant)


def known_profiles(
    service: Service,
    tenant: str,
    task: Task,
    statistics: TaskStatistics | None,
    *,
    prepared: Prepared | None,
) -> list[Profile]:
    """Stored profiles of this and similar tasks; those of this very task and device first."""
    if statistics is None:
        return []
    # A description stands for a task of any kind.
    kinds = (task.kind, "interactions") if task.kind == "description" else (task.kind,)
    found = service.store.evidence.neighbours(
        tenant, kinds, task.metric, statistics.n_classes, limit=NEIGHBOURS_MAX
    )
    if prepared is None:
        return found
    own, here = prepared.task_fingerprint, prepared.device.id
    return sorted(found, key=lambda p: (p.task_fingerprint != own, p.device.id != here))


def known_costs(service: Service, tenant: str, prepared: Prepared) -> list[StepCost]:
    """Stored probes of this very task and device; one that failed may go well the next time."""
    found = service.store.calibrations.probes(tenant, prepared.task_fingerprint, prepared.device.id)
    return [cost for cost in found if cost.outcome == "completed"]


def _device(service: Service, tenant: str, device_id: str | None) -> Device:
    here = service.workspace.device
    if device_id is None or device_id == here.id:
        return here
    for device in service.store.evidence.devices(tenant):
        if device.id == device_id:
            return device
    raise TaskInvalidError(f"device: {device_id!r} is not one of the devices that are known")
