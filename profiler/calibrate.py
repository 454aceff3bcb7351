"""calibrate: the one loop that turns the crank, for the command line and the service alike.

Task --Race.ask--> Leg --run_leg--> Measurement... --Race.tell--> Profile --recommend--> answer.
It knows no store: what was told before comes in, every event goes out. No torch is imported here.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from advisor.calibration import DataPrepared, Decided, Event, LegEnded, LegStarted, Prepared, Probed
from advisor.cost import shape_of
from advisor.errors import TaskInvalidError
from advisor.evidence import Candidate, Leg, LegReport, Profile, StepCost
from advisor.gradient_words import with_diagnoses
from advisor.prior import Bank
from advisor.race import Race
from advisor.recommend import recommend
from advisor.recommendation import Recommendation
from advisor.search_space import candidates, possible
from advisor.shipped import shipped_bank
from advisor.task import Task
from profiler.diagnose_in_child import diagnose_leaders
from profiler.isolation import ChildFailedError, start_server
from profiler.leg_in_child import run_leg_in_child
from profiler.legs_at_once import race_legs
from profiler.prepare import prepare_within
from profiler.probe import probe
from profiler.workspace import Workspace

_PROBE_SHARE = 0.15
_ANSWER_SECONDS = 0.5
# Kept of the race for a look at the leaders' gradients, which explains but decides nothing.
_DIAGNOSIS_SHARE, _DIAGNOSIS_SECONDS = 0.02, 2.0
# An interrupted calibration answers even when its budget is spent: its data was read before.
_READ_AGAIN_SECONDS = 30.0
# Without its data a cancelled calibration has no answer: small data is read to the end.
_CANCELLED_READ_SECONDS = 2.0
RunLeg = Callable[[Prepared, Leg, Workspace, float, Callable[[], bool]], LegReport | None]


@dataclass(frozen=True)
class Calibrated:
    """What a calibration leaves: the answer, and what was learnt of every candidate."""

    recommendation: Recommendation
    profiles: tuple[Profile, ...]


def calibrate(
    task: Task,
    budget_seconds: float,
    *,
    workspace: Workspace,
    on_event: Callable[[Event], None] = lambda event: None,
    run_leg: RunLeg = run_leg_in_child,
    told: Sequence[LegReport] = (),
    probed: Sequence[StepCost] = (),
    profiles: Sequence[Profile] = (),
    bank: Bank | None = None,
    spent_seconds: float = 0.0,
    should_stop: Callable[[], bool] = lambda: False,
    n_at_once: Callable[[], int] = lambda: 1,
    seed: int = 0,
) -> Calibrated:
    """Race the task's candidates for `budget_seconds` of wall-clock and answer.

    `told` and `probed` are what is known of this task and device already and is not paid again;
    `profiles` are those of other tasks, `bank` what is known besides them, by default what comes
    with the program; `spent_seconds` is what this calibration used before it
    was interrupted. When `should_stop` turns true it answers with what it knows. So many legs as
    `n_at_once` says are trained side by side, each by a `run_leg` in a thread of its own, which
    returns None where nothing came of it. `seed` is that of the first trial of every candidate.
    Raises DataInvalidError, UnknownLossError and TaskInvalidError before anything is trained, the
    last also where the data alone takes the budget or is not read when it shall stop.
    """
    started = time.monotonic()
    if not budget_seconds > 0:
        raise TaskInvalidError(f"budget: {budget_seconds} s given; it must be above 0 s")

    def elapsed_seconds() -> float:
        return spent_seconds + time.monotonic() - started

    def seconds_left() -> float:
        return budget_seconds - elapsed_seconds() - _ANSWER_SECONDS

    def race_seconds_left() -> float:
        return seconds_left() - min(_DIAGNOSIS_SECONDS, _DIAGNOSIS_SHARE * budget_seconds)

    start_server()  # it loads torch while the data is read
    prepared = _prepare(task, workspace, budget_seconds, spent_seconds, should_stop)
    task = prepared.task
    on_event(DataPrepared(prepared=prepared))
    space = candidates(task, prepared.statistics)
    known = shipped_bank() if bank is None else bank
    # A probe that failed may go well the next time, with more memory or less to do beside it.
    costs = [cost for cost in probed if cost.outcome == "completed"]
    for cost in _probe_missing(
        prepared, possible(task, space), tuple(costs), workspace, seconds_left(), should_stop
    ):
        costs.append(cost)
        on_event(Probed(cost=cost, seconds_left=seconds_left()))
    race = Race(
        prepared,
        space,
        costs,
        profiles=profiles,
        bank=known,
        budget_seconds=race_seconds_left(),
        seed=seed,
    )
    for report in told:
        race.tell(report)

    def say_started(leg: Leg) -> None:
        on_event(LegStarted(leg=leg, why=race.why, seconds_left=seconds_left()))

    def say_ended(report: LegReport) -> None:
        leader, value = race.leader()
        on_event(
            LegEnded(
                report=report,
                leader=leader,
                leader_value=value,
                leader_p_best=race.p_best(),
                seconds_left=seconds_left(),
            )
        )

    race_legs(
        race,
        race_seconds_left,
        lambda leg, *limits: run_leg(prepared, leg, workspace, *limits),
        n_at_once=n_at_once,
        should_stop=should_stop,
        on_start=say_started,
        on_end=say_ended,
    )
    workspace.delete_states(prepared.task_fingerprint, race.dropped())
    recommendation = recommend(
        task,
        (*race.profiles(), *profiles),
        prepared.device,
        prepared=prepared,
        costs=costs,
        elapsed_seconds=elapsed_seconds(),
        bank=known,
    )
    if not should_stop():
        found = diagnose_leaders(
            prepared, recommendation, costs, workspace, seed, seconds_left(), should_stop
        )
        recommendation = with_diagnoses(recommendation, found, elapsed_seconds())
    on_event(Decided(recommendation=recommendation))
    return Calibrated(recommendation, race.profiles())


def _prepare(
    task: Task,
    workspace: Workspace,
    budget_seconds: float,
    spent_seconds: float,
    should_stop: Callable[[], bool],
) -> Prepared:
    """Read the data within the budget; what was read before takes a moment, and has it."""
    left = budget_seconds - spent_seconds
    limit_seconds = max(left, _READ_AGAIN_SECONDS) if spent_seconds else left
    patient_until = time.monotonic() + _CANCELLED_READ_SECONDS
    try:
        return prepare_within(
            task,
            workspace,
            limit_seconds,
            lambda: time.monotonic() > patient_until and should_stop(),
        )
    except ChildFailedError as error:
        sentence = f"reading the data alone takes longer than the budget of {budget_seconds:g} s"
        if error.outcome == "cancelled":
            sentence = "cancelled while the data was being read"
        raise TaskInvalidError(sentence) from error


def _probe_missing(
    prepared: Prepared,
    space: dict[str, tuple[Candidate, ...]],
    probed: Sequence[StepCost],
    workspace: Workspace,
    seconds_left: float,
    should_stop: Callable[[], bool],
) -> Sequence[StepCost]:
    known = {cost.candidate.key for cost in probed}
    shapes = {shape_of(c).key: shape_of(c) for group in space.values() for c in group}
    missing = [shape for key, shape in shapes.items() if key not in known]
    if not missing or seconds_left <= 0:
        return ()
    limit_seconds = max(seconds_left * _PROBE_SHARE, 1.0)
    deadline = time.monotonic() + seconds_left
    return tuple(probe(prepared, missing, workspace, limit_seconds, deadline, should_stop))
