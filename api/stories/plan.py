"""The story of a plan: what a budget would buy for a task, before any of it is spent."""

from advisor.calibration import Prepared
from advisor.errors import TaskInvalidError
from advisor.evidence import Device
from advisor.plan import Plan, plan
from advisor.price import money
from advisor.shipped import shipped_bank
from advisor.task import Task
from api.stories.ask_tell import check_elsewhere
from api.stories.read import check_budget, check_words, known_data
from api.stories.recommend import known_costs, known_device, known_profiles
from api.stories.service import LOCAL, Service


def plan_budget(
    service: Service,
    task: Task,
    budget_seconds: float,
    *,
    tenant: str = LOCAL,
    device_id: str | None = None,
    elsewhere: bool = False,
    can_pause: bool = True,
) -> Plan:
    """What the budget buys on a device, by default this one; nothing is run, or stored.

    `elsewhere` are trainers that ask and tell. Raises TaskInvalidError, DataInvalidError,
    UnknownLossError.
    """
    check_budget(service, budget_seconds)
    if elsewhere:
        check_elsewhere(task)
    check_words(task)
    device = known_device(service, tenant, device_id)
    if elsewhere or task.kind == "description":
        prepared = _by_its_numbers(task, device)
    else:
        prepared = known_data(service, task, tenant).model_copy(update={"device": device})
    statistics = prepared.statistics
    profiles = known_profiles(service, tenant, prepared.task, statistics, prepared=prepared)
    costs = known_costs(service, tenant, prepared)
    found = plan(
        prepared,
        budget_seconds,
        costs,
        profiles,
        probes=not elsewhere,
        can_pause=can_pause,
        bank=shipped_bank(),
    )
    if (price := service.price(device)) is None:
        return found
    seconds = {"budget_money": budget_seconds, "least_budget_money": found.least_budget_seconds}
    return found.model_copy(update={name: money(s, price) for name, s in seconds.items()})


def _by_its_numbers(task: Task, device: Device) -> Prepared:
    if task.statistics is None:
        raise TaskInvalidError("statistics: the size of the task is not known; give its statistics")
    return Prepared(
        task=task,
        task_fingerprint=task.fingerprint("not read"),
        statistics=task.statistics,
        device=device,
        dataset_dir="",  # nothing is trained
    )
