"""The one loop, on real trainings of a small task: budget, resumption, stopping, bad tasks."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.calibration import Event, LegEnded, Prepared, Probed
from advisor.catalogue import catalogue
from advisor.cost import shape_of
from advisor.errors import DataInvalidError, TaskInvalidError, UnknownLossError
from advisor.evidence import Leg, LegReport, StepCost
from advisor.search_space import candidates
from advisor.task import Horizon, TaskStatistics
from profiler.calibrate import Calibrated, calibrate
from profiler.device import this_device
from profiler.isolation import in_child
from profiler.leg_in_child import run_leg_in_child
from profiler.workspace import Workspace
from tests.small_data import small_task, write_interactions

pytestmark = pytest.mark.slow
STATISTICS = TaskStatistics(n_rows=300, n_classes=200, n_examples=4500)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("calibrate")
    write_interactions(folder / "pairs.csv")
    return Workspace(folder, device=this_device(1))


class Listener:
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def reports(self) -> list[LegReport]:
        return [e.report for e in self.events if isinstance(e, LegEnded)]

    @property
    def costs(self) -> list[StepCost]:
        return [e.cost for e in self.events if isinstance(e, Probed)]


@pytest.fixture(scope="module")
def first(place: Workspace) -> tuple[Calibrated, Listener, float]:
    """A calibration of at most 15 s, with what it told and how long it took."""
    listener, started = Listener(), time.monotonic()
    task = small_task(place.data_dir / "pairs.csv", epochs=10)
    done = calibrate(task, 15, workspace=place, on_event=listener)
    return done, listener, time.monotonic() - started


def test_it_answers_within_its_budget(first: tuple[Calibrated, Listener, float]) -> None:
    _, _, wall_seconds = first
    assert wall_seconds <= 15 * 1.05 + 3


def test_it_measures_every_loss_and_names_one(first: tuple[Calibrated, Listener, float]) -> None:
    done, listener, _ = first
    answer = done.recommendation
    assert answer.evidence_level == "measured"
    assert {c.loss for c in answer.ranking} == {c.candidate.loss for c in listener.costs}
    assert {c.loss for c in answer.ranking} == set(catalogue())
    assert answer.ranking[0].loss == answer.loss
    assert sum(c.p_best for c in answer.ranking) == pytest.approx(1.0)
    assert answer.ranking[0].predicted_metric is not None
    assert 0 < answer.ranking[0].predicted_metric.mean < 1
    assert answer.ranking[0].curve[-1].examples >= 10 * 4500
    assert all(c.peak_bytes and c.train_seconds for c in answer.ranking)


def test_profiles_hold_what_the_legs_measured(first: tuple[Calibrated, Listener, float]) -> None:
    done, listener, _ = first
    told = {r.leg.trial.candidate.key for r in listener.reports}
    assert {p.candidate.key for p in done.profiles} == told
    for profile in done.profiles:
        values = [p.value for p in profile.curve]
        assert profile.final_value == values[-1]
        assert profile.step_seconds is not None


def test_a_second_calibration_trains_no_told_leg_again(
    first: tuple[Calibrated, Listener, float], place: Workspace
) -> None:
    _, before, _ = first
    listener = Listener()
    kept = {folder.name for folder in place.data_dir.glob("states/*/*")}
    assert kept
    # A longer horizon: on a quick machine the first race had nothing left to ask.
    task = small_task(place.data_dir / "pairs.csv", epochs=40)
    calibrate(
        task,
        60,
        workspace=place,
        on_event=listener,
        told=before.reports,
        probed=before.costs,
        should_stop=lambda: len(listener.reports) >= 8,
    )
    assert listener.costs == []
    assert listener.reports
    known = {r.leg.id for r in before.reports}
    assert known.isdisjoint({r.leg.id for r in listener.reports})
    # Its trials go on from the states that the first one left; those of beaten ones are deleted.
    assert kept.isdisjoint(r.leg.trial.id for r in listener.reports if r.detail)


def test_told_to_stop_it_answers_with_what_it_knows(place: Workspace) -> None:
    listener = Listener()
    started = time.monotonic()
    task = small_task(place.data_dir / "pairs.csv", epochs=100)
    done = calibrate(
        task,
        60,
        workspace=place,
        on_event=listener,
        should_stop=lambda: len(listener.reports) >= 4,
    )
    assert time.monotonic() - started < 30
    assert len(listener.reports) == 4
    assert done.recommendation.evidence_level == "measured"


def test_told_to_stop_at_once_it_still_answers_from_what_comes_with_the_program(
    place: Workspace,
) -> None:
    task = small_task(place.data_dir / "pairs.csv")
    done = calibrate(task, 60, workspace=place, should_stop=lambda: True)
    assert done.recommendation.evidence_level == "prior"
    assert done.recommendation.verdict == "not_enough_evidence"
    assert done.recommendation.next_experiment is not None


def test_a_horizon_in_seconds_gives_faster_losses_more_examples(place: Workspace) -> None:
    losses = {"include": ["bpr", "sparsemax"]}
    task = small_task(place.data_dir / "pairs.csv", horizon=Horizon(seconds=1), losses=losses)
    answer = calibrate(task, 10, workspace=place).recommendation
    ends = {c.loss: c.curve[-1] for c in answer.ranking if c.curve}
    assert ends["bpr"].examples > ends["sparsemax"].examples
    for point in ends.values():
        assert point.seconds == pytest.approx(1.0, rel=0.2)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"losses": {"include": ["softmacks"]}}, UnknownLossError, "softmacks"),
        ({"constraints": {"peak_memory_gib": 1e-9}}, TaskInvalidError, "no loss is feasible"),
        ({"data": {"path": "no/such/file.csv"}}, DataInvalidError, "no/such/file.csv"),
    ],
)
def test_a_task_that_cannot_be_served_is_refused_in_one_sentence(
    place: Workspace, changes: dict[str, object], error: type[Exception], says: str
) -> None:
    task = small_task(place.data_dir / "pairs.csv", **changes)
    with pytest.raises(error, match=says):
        calibrate(task, 3, workspace=place)


def slow_to_read(task: object, cache_dir: str) -> Iterator[object]:
    time.sleep(60)
    yield None


@pytest.mark.parametrize(
    ("budget", "stops", "says"),
    [
        (1.0, False, "reading the data alone takes longer than the budget of 1 s"),
        (60.0, True, "cancelled while the data was being read"),
    ],
)
def test_reading_ends_with_the_budget_or_a_cancellation(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, budget: float, stops: bool, says: str
) -> None:
    def in_slow_child(function: str, *given: Any, **limits: Any) -> Iterator[Any]:
        return in_child("tests.profiler.test_calibrate:slow_to_read", *given, **limits)

    monkeypatch.setattr("profiler.prepare.in_child", in_slow_child)
    started = time.monotonic()
    with pytest.raises(TaskInvalidError, match=says):
        calibrate(
            small_task(place.data_dir / "pairs.csv"),
            budget,
            workspace=place,
            should_stop=lambda: stops,
        )
    assert time.monotonic() - started < 10


def test_interrupted_with_its_budget_spent_it_still_answers(
    first: tuple[Calibrated, Listener, float], place: Workspace
) -> None:
    _, before, _ = first
    listener = Listener()
    task = small_task(place.data_dir / "pairs.csv", epochs=10)
    done = calibrate(
        task, 20, workspace=place, on_event=listener, told=before.reports, spent_seconds=21
    )
    assert listener.costs == listener.reports == []  # no time for a probe, none for a leg
    assert done.recommendation.evidence_level == "measured"


def test_a_probe_that_failed_is_made_again(place: Workspace) -> None:
    listener, task = Listener(), small_task(place.data_dir / "pairs.csv")
    shapes = [shape_of(c[0]) for c in candidates(task, STATISTICS).values()]
    failed = [
        StepCost(candidate=shape, outcome="out_of_memory", batch_size=256, step_seconds=None)
        for shape in shapes
    ]
    calibrate(
        task,
        20,
        workspace=place,
        on_event=listener,
        probed=failed,
        should_stop=lambda: bool(listener.reports),
    )
    assert {c.candidate.key for c in listener.costs} == {shape.key for shape in shapes}
    assert {c.outcome for c in listener.costs} == {"completed"}


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan")])
def test_a_budget_that_is_none_is_refused(place: Workspace, budget: float) -> None:
    with pytest.raises(TaskInvalidError, match="above 0"):
        calibrate(small_task(place.data_dir / "pairs.csv"), budget, workspace=place)


def test_states_of_dropped_trials_are_deleted(tmp_path: Path) -> None:
    place, listener, diverged = Workspace(tmp_path, device=this_device(1)), Listener(), set[str]()
    doomed: list[str] = []  # the loss of the first leg

    def run_leg(prepared: Prepared, leg: Leg, *given: Any) -> LegReport:
        report = run_leg_in_child(prepared, leg, *given)
        doomed.append(leg.trial.candidate.loss)
        if leg.trial.candidate.loss == doomed[0]:
            assert (place.states_dir(prepared.task_fingerprint) / leg.trial.id).exists()
            diverged.add(leg.trial.id)
            return report.model_copy(update={"outcome": "diverged"})
        return report

    losses = {"include": ["softmax", "bpr"]}
    task = small_task(write_interactions(tmp_path / "pairs.csv"), losses=losses)
    calibrate(
        task,
        20,
        workspace=place,
        on_event=listener,
        run_leg=run_leg,
        should_stop=lambda: len(set(doomed)) > 1 and len(listener.reports) == len(doomed),
    )
    kept = {folder.name for folder in tmp_path.glob("states/*/*")}
    assert diverged
    assert kept
    assert kept.isdisjoint(diverged)
    place.delete_states("f", [listener.reports[0].leg.trial])  # what is not there is no fault
