"""The story of a recommendation at once: from theory and stored profiles, nothing is trained."""

import math
import time
from dataclasses import replace

from advisor.calibration import Prepared
from advisor.errors import TaskInvalidError
from advisor.evidence import Device, Profile, StepCost
from advisor.outcome import joined
from advisor.price import priced
from advisor.recommend import recommend
from advisor.recommendation import Recommendation
from advisor.shipped import shipped_bank
from advisor.task import Horizon, Task, TaskStatistics, Trade
from api.stories.read import check_words, known_data, read
from api.stories.service import LOCAL, Evidence, Service
from store.evidence import nearest_buckets
from store.recommendations import AnswerText, Given

NEIGHBOURS_MAX = 300


def recommend_now(
    service: Service, task: Task, *, tenant: str = LOCAL, calibration_id: str | None = None
) -> Recommendation:
    """Answer at once for this device, and store the answer.

    Raises TaskInvalidError, DataInvalidError, UnknownLossError.
    """
    _, text = recommend_as_text(service, task, tenant=tenant, calibration_id=calibration_id)
    return Recommendation.model_validate_json(text)


def recommend_as_text(
    service: Service,
    task: Task,
    *,
    tenant: str = LOCAL,
    device_id: str | None = None,
    calibration_id: str | None = None,
    answer_id: str | None = None,
) -> tuple[str, str]:
    """The id of the answer and its JSON; `device_id` None means this device.

    With an `answer_id` it is given once: what is stored under it is the answer. Raises the same.
    """
    answer, seconds = _timed_answer(service, task, tenant, device_id)
    own = Given(id=answer_id, tenant=tenant, calibration_id=calibration_id, elapsed_seconds=seconds)
    return service.store.recommendations.save_text(answer, own)


def answer_now(service: Service, task: Task, *, tenant: str = LOCAL) -> str:
    """The JSON of the same answer, not stored; raises the same."""
    answer, seconds = _timed_answer(service, task, tenant, None)
    return answer.given(Given(tenant=tenant, elapsed_seconds=seconds))


def _timed_answer(
    service: Service, task: Task, tenant: str, device_id: str | None
) -> tuple[AnswerText, float]:
    started = time.monotonic()
    device = known_device(service, tenant, device_id)
    prepared = None
    if task.data is not None:
        check_words(task)
        prepared = known_data(service, task, tenant).model_copy(update={"device": device})
    answer = _answer(service, tenant, prepared.task if prepared else task, device, prepared)
    return answer, time.monotonic() - started


def answer_again(
    service: Service, tenant: str, answer_id: str, horizon: Horizon | None, trade: Trade | None
) -> str:
    """What an answer would be at another horizon or trade, by what is known now; not stored.

    Returns the JSON of the Recommendation. Its data is not read again. Raises NotFoundError,
    TaskInvalidError.
    """
    started = time.monotonic()
    answer = service.store.recommendations.get(tenant, answer_id)
    changes = {"horizon": horizon or answer.task.horizon, "trade": trade or answer.task.trade}
    task = answer.task.model_copy(update=changes)
    device = known_device(service, tenant, answer.device_id)
    prepared = prepared_again(service, tenant, answer, device)
    again = _answer(service, tenant, task, device, prepared)
    own = Given(
        tenant=tenant,
        calibration_id=answer.calibration_id,
        elapsed_seconds=time.monotonic() - started,
    )
    return again.given(own)


def _answer(
    service: Service, tenant: str, task: Task, device: Device, prepared: Prepared | None
) -> AnswerText:
    """The answer to a task by what is stored now; one that rests on the same is the same."""
    costs = known_costs(service, tenant, prepared) if prepared else []
    known = [tenant, service.store.evidence.stamp(tenant)]
    price = service.price(device)
    told = [value.model_dump_json() for value in (task, device, prepared, *costs) if value]

    def make() -> AnswerText:
        check_words(task)
        statistics = prepared.statistics if prepared else task.statistics
        evidence = known_evidence(service, tenant, task, statistics, prepared=prepared)
        answer = recommend(
            task, evidence.profiles, device, prepared=prepared, costs=costs, bank=evidence.bank
        )
        return AnswerText.of(priced(answer, price))

    return service.answers.get((*known, *told, price), make)


def prepared_again(
    service: Service, tenant: str, answer: Recommendation, device: Device
) -> Prepared | None:
    """The answer's task as its data was found to be; None for a description without a twin."""
    fingerprint, statistics = answer.task_fingerprint, answer.statistics
    if fingerprint is None or statistics is None:
        if answer.task.kind == "description":
            return None
        # An answer of an older version does not say it.
        return read(service, answer.task, tenant).model_copy(update={"device": device})
    return Prepared(
        task=answer.task,
        task_fingerprint=fingerprint,
        statistics=statistics,
        device=device,
        dataset_dir="",  # nothing is trained
    )


def known_profiles(
    service: Service,
    tenant: str,
    task: Task,
    statistics: TaskStatistics | None,
    *,
    prepared: Prepared | None,
) -> list[Profile]:
    """Stored profiles of this and similar tasks; those of this very task and device first."""
    return [*known_evidence(service, tenant, task, statistics, prepared=prepared).profiles]


def known_evidence(
    service: Service,
    tenant: str,
    task: Task,
    statistics: TaskStatistics | None,
    *,
    prepared: Prepared | None,
) -> Evidence:
    """The same profiles, and the bank of those of other tasks and of the shipped ones."""
    if statistics is None:
        return Evidence((), shipped_bank())
    n_classes, fingerprint = statistics.n_classes, prepared and prepared.task_fingerprint
    # A description stands for a task of any kind.
    kinds = (task.kind, "interactions") if task.kind == "description" else (task.kind,)

    def read_all() -> Evidence:
        evidence = service.store.evidence
        own = [] if fingerprint is None else evidence.of_task(tenant, fingerprint)
        near = evidence.neighbours(tenant, kinds, task.metric, n_classes, limit=NEIGHBOURS_MAX)
        found = {profile.id: profile for profile in (*own, *near)}
        whole = joined([*found.values()][:NEIGHBOURS_MAX])
        others = [p for p in whole if p.task_fingerprint != fingerprint]
        # By task: sums over tasks in another order would differ in their last digits.
        others.sort(key=lambda profile: profile.task_fingerprint)
        return Evidence(tuple(whole), shipped_bank().joined(others))

    read_by = (kinds, task.metric, *nearest_buckets(n_classes), fingerprint)
    known = service.evidence.get((tenant, service.store.evidence.stamp(tenant), *read_by), read_all)
    here = prepared and prepared.device.id

    def order(profile: Profile) -> tuple[bool, bool, float]:
        is_other = profile.task_fingerprint != fingerprint
        distance = abs(math.log(profile.statistics.n_classes / n_classes))
        return is_other, profile.device.id != here, distance if is_other else 0.0

    return replace(known, profiles=tuple(sorted(known.profiles, key=order)))


def known_costs(service: Service, tenant: str, prepared: Prepared) -> list[StepCost]:
    """Stored probes of this very task and device; one that failed may go well the next time."""
    found = service.store.calibrations.probes(tenant, prepared.task_fingerprint, prepared.device.id)
    return [cost for cost in found if cost.outcome == "completed"]


def known_device(service: Service, tenant: str, device_id: str | None) -> Device:
    """The device with this id, by default this one; raises TaskInvalidError."""
    here = service.workspace.device
    if device_id is None or device_id == here.id:
        return here
    for device in service.store.evidence.devices(tenant):
        if device.id == device_id:
            return device
    raise TaskInvalidError(f"device: {device_id!r} is not one of the devices that are known")
