"""The one loop, on real trainings of a small task: budget, resumption, stopping, bad tasks."""

import time
from pathlib import Path

import pytest

from advisor.calibration import Event, LegEnded, Probed
from advisor.errors import DataInvalidError, TaskInvalidError, UnknownLossError
from advisor.evidence import LegReport, StepCost
from advisor.task import Horizon
from profiler.calibrate import Calibrated, calibrate
from profiler.device import this_device
from profiler.workspace import Workspace
from tests.small_data import small_task, write_interactions


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
    """A calibration of 12 s, with what it told and how long it took."""
    listener, started = Listener(), time.monotonic()
    task = small_task(place.data_dir / "pairs.csv", epochs=10)
    done = calibrate(task, 12, workspace=place, on_event=listener)
    return done, listener, time.monotonic() - started


def test_it_answers_within_its_budget(first: tuple[Calibrated, Listener, float]) -> None:
    _, _, wall_seconds = first
    assert wall_seconds <= 12 * 1.05 + 3


def test_it_measures_every_loss_and_names_one(first: tuple[Calibrated, Listener, float]) -> None:
    done, listener, _ = first
    answer = done.recommendation
    assert answer.evidence_level == "measured"
    assert {c.loss for c in answer.ranking} == {c.candidate.loss for c in listener.costs}
    assert len(answer.ranking) == 6
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
    task = small_task(place.data_dir / "pairs.csv", epochs=10)
    calibrate(task, 5, workspace=place, on_event=listener, told=before.reports, probed=before.costs)
    assert listener.costs == []
    assert listener.reports
    known = {r.leg.id for r in before.reports}
    assert known.isdisjoint({r.leg.id for r in listener.reports})
    # Its trials go on from the states that the first one left.
    assert [r.detail for r in listener.reports if r.detail] == []


def test_told_to_stop_it_answers_with_what_it_knows(place: Workspace) -> None:
    listener = Listener()
    started = time.monotonic()
    task = small_task(place.data_dir / "pairs.csv", epochs=300)
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


def test_told_to_stop_at_once_it_still_answers_from_theory(place: Workspace) -> None:
    task = small_task(place.data_dir / "pairs.csv")
    done = calibrate(task, 60, workspace=place, should_stop=lambda: True)
    assert done.recommendation.evidence_level == "theory"
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


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan")])
def test_a_budget_that_is_none_is_refused(place: Workspace, budget: float) -> None:
    with pytest.raises(TaskInvalidError, match="above 0"):
        calibrate(small_task(place.data_dir / "pairs.csv"), budget, workspace=place)


def test_states_of_beaten_trials_are_deleted(
    first: tuple[Calibrated, Listener, float], place: Workspace, tmp_path: Path
) -> None:
    _, listener, _ = first
    trial = listener.reports[0].leg.trial
    folder = place.states_dir("f") / trial.id
    folder.mkdir(parents=True)
    (folder / "512.pt").write_bytes(b"state")
    place.delete_states("f", [trial])
    assert not folder.exists()
    place.delete_states("f", [trial])  # once more is harmless
