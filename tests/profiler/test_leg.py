"""Legs in real children: what they measure, how they end, and that a pause changes nothing."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from advisor.calibration import Prepared
from advisor.evidence import Candidate, Leg, LegReport, Measurement, Outcome, Trial
from advisor.search_space import candidates
from profiler.dataset import open_dataset
from profiler.isolation import ChildFailedError, device_slot
from profiler.leg import Validation, run_leg
from profiler.leg_in_child import run_leg_in_child
from profiler.messages import LegEnd
from profiler.trial_state import TrialState
from profiler.workspace import Workspace


def leg(prepared: Prepared, *checkpoints: int, start: int = 0, **settings: float) -> Leg:
    first = candidates(prepared.task, prepared.statistics)["softmax"][0]
    candidate = Candidate(loss="softmax", settings={**first.settings, **settings})
    return Leg(
        trial=Trial(candidate=candidate, seed=0), from_examples=start, checkpoints=checkpoints
    )


def run(prepared: Prepared, asked: Leg, workspace: Workspace, seconds: float = 60) -> LegReport:
    return run_leg_in_child(prepared, asked, workspace, time.monotonic() + seconds)


def fresh(workspace: Workspace, folder: Path) -> Workspace:
    return Workspace(folder, device=workspace.device)


def test_two_legs_measure_what_one_leg_measures(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    whole = run(prepared, leg(prepared, 2560, 7680), fresh(workspace, tmp_path / "a"))
    paused = fresh(workspace, tmp_path / "b")
    first = run(prepared, leg(prepared, 2560), paused)
    second = run(prepared, leg(prepared, 7680, start=2560), paused)
    values = [m.value for m in (*first.measurements, *second.measurements)]
    assert values == [m.value for m in whole.measurements]
    assert second.examples == whole.examples == 7680
    assert 0 < second.train_seconds < second.wall_seconds
    assert whole.peak_bytes is not None
    assert whole.peak_bytes > 0


def test_a_lost_state_is_trained_again_and_said(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    kept = run(prepared, leg(prepared, 2560, 7680), fresh(workspace, tmp_path / "a"))
    lost = run(prepared, leg(prepared, 7680, start=2560), fresh(workspace, tmp_path / "b"))
    assert lost.measurements[-1].value == kept.measurements[-1].value
    assert lost.detail is not None
    assert "2560 examples was gone" in lost.detail


def test_a_deadline_ends_a_leg_early_with_its_state_saved(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    place = fresh(workspace, tmp_path)
    run(prepared, leg(prepared, 256), place)  # the server process that forks children is up now
    report = run(prepared, leg(prepared, 256 * 10**6, start=256), place, seconds=3)
    assert report.outcome == "completed"
    assert 256 < report.examples < 256 * 10**6
    assert report.wall_seconds < 5
    again = run(prepared, leg(prepared, report.examples + 256, start=report.examples), place)
    assert again.detail is None


def test_a_leg_without_time_for_a_step_measures_nothing_and_may_be_asked_again(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    messages = list(run_leg(prepared, leg(prepared, 512), str(tmp_path), 1, time.monotonic() - 1))
    assert [type(m) for m in messages] == [LegEnd]
    assert messages[0].examples == 0
    assert list(tmp_path.rglob("*.pt")) == []
    report = run(prepared, leg(prepared, 512), fresh(workspace, tmp_path), seconds=0.001)
    assert (report.outcome, report.examples, report.measurements) == ("cancelled", 0, ())


def test_an_evaluation_that_does_not_fit_is_left_out_but_the_state_is_saved(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Validation, "expected_seconds", lambda self: 1000.0)
    asked = leg(prepared, 512, 1024)
    messages = list(run_leg(prepared, asked, str(tmp_path), 1, time.monotonic() + 30))
    assert [type(m) for m in messages] == [LegEnd]
    assert messages[0].examples == 512
    assert [p.name for p in (tmp_path / asked.trial.id).iterdir()] == ["512.pt"]


def test_an_evaluation_is_estimated_from_a_part_of_its_rows(prepared: Prepared) -> None:
    dataset = open_dataset(prepared.dataset_dir)
    trial = TrialState(prepared.task, dataset, leg(prepared, 512).trial)
    seen: list[int] = []

    def score(rows: torch.Tensor) -> torch.Tensor:
        seen.append(len(rows))
        time.sleep(0.002 * len(rows))
        return torch.zeros(len(rows), dataset.n_classes)

    trial.score = score
    n_rows = len(dataset.evaluation("validation", 2000).units)
    assert n_rows > 200
    estimated = Validation(prepared, dataset, trial).estimated_seconds(0.0)
    assert sum(seen) == 64
    assert estimated == pytest.approx(0.002 * n_rows, rel=0.5)


class Child:
    """Stands for a child that measures once, then ends as it is told."""

    def __init__(self, ends_with: ChildFailedError | LegEnd) -> None:
        self.ends_with = ends_with

    def __call__(self, function: str, arguments: dict[str, Any], **limits: Any) -> Iterator[Any]:
        yield Measurement(examples=512, seconds=1.0, value=0.1)
        if isinstance(self.ends_with, ChildFailedError):
            raise self.ends_with
        yield self.ends_with
        raise ChildFailedError("timed_out", "after its last word")


@pytest.mark.parametrize(
    ("died_of", "seconds", "outcome", "says"),
    [
        ("timed_out", 0, "cancelled", "the budget ended"),
        ("timed_out", 60, "timed_out", "died"),  # above the limit of a leg, its budget not over
        ("failed", 60, "failed", "died"),
        ("out_of_memory", 60, "out_of_memory", "died"),
    ],
)
def test_a_leg_that_was_not_saved_keeps_no_measurement(
    prepared: Prepared,
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    died_of: Outcome,
    seconds: float,
    outcome: str,
    says: str,
) -> None:
    child = Child(ChildFailedError(died_of, "died"))
    monkeypatch.setattr("profiler.leg_in_child.in_child", child)
    report = run(prepared, leg(prepared, 1024, start=256), fresh(workspace, tmp_path), seconds)
    assert (report.outcome, report.examples, report.measurements) == (outcome, 256, ())
    assert says in (report.detail or "")


def test_waiting_for_the_device_is_not_charged_to_the_leg(
    prepared: Prepared, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = LegEnd(examples=512, train_seconds=1.0, peak_bytes=1, diverged=False)
    monkeypatch.setattr("profiler.leg_in_child.in_child", Child(end))
    held = threading.Event()

    def hold() -> None:
        with device_slot(tmp_path, workspace.device_slot):
            held.set()
            time.sleep(1.0)

    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    busy = run(prepared, leg(prepared, 512), fresh(workspace, tmp_path), seconds=0.2)
    assert (busy.outcome, busy.wall_seconds) == ("cancelled", 0.0)
    assert busy.detail == "the device was busy until the deadline"
    waited = run(prepared, leg(prepared, 512), fresh(workspace, tmp_path))
    other.join()
    assert (waited.outcome, len(waited.measurements)) == ("completed", 1)
    assert waited.wall_seconds < 0.5


def test_a_diverging_training_is_an_outcome(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    asked = leg(prepared, 2560, 76800, learning_rate=1e30)
    report = run(prepared, asked, fresh(workspace, tmp_path))
    assert report.outcome == "diverged"
    assert report.measurements[-1].value is None


def test_a_leg_over_its_memory_limit_is_an_outcome(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    small = Workspace(tmp_path, device=workspace.device, memory_limit_bytes=2**20)
    report = run(prepared, leg(prepared, 256 * 10**6), small)
    assert report.outcome == "out_of_memory"
    assert report.detail is not None


def test_a_leg_over_its_time_limit_is_an_outcome_and_not_the_end_of_the_budget(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    short = Workspace(tmp_path, device=workspace.device, leg_limit_seconds=0.3)
    report = run(prepared, leg(prepared, 256 * 10**6), short)
    assert report.outcome == "timed_out"
    assert report.detail == "took longer than its limit of 0.3 s"


def test_states_from_before_the_last_leg_are_deleted(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    place = fresh(workspace, tmp_path)
    for start, until in ((0, 256), (256, 512), (512, 1024)):
        asked = leg(prepared, until, start=start)
        folder = place.states_dir(prepared.task_fingerprint) / asked.trial.id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "9999.pt").touch()  # another slot has come further with this trial
        assert run(prepared, asked, place).outcome == "completed"
    assert sorted(int(p.stem) for p in folder.iterdir()) == [512, 1024, 9999]


def test_a_stopped_leg_is_cancelled(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    started = time.monotonic()
    report = run_leg_in_child(
        prepared,
        leg(prepared, 256 * 10**6),
        fresh(workspace, tmp_path),
        started + 60,
        lambda: time.monotonic() > started + 1,
    )
    assert report.outcome == "cancelled"
    assert report.wall_seconds < 5


@pytest.mark.slow
def test_paused_legs_stay_exact_on_the_sampled_losses_too(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    for loss in ("sampled_softmax", "rg2"):
        candidate = candidates(prepared.task, prepared.statistics)[loss][0]
        trial = Trial(candidate=candidate, seed=1)
        place = fresh(workspace, tmp_path / "b")
        whole = Leg(trial=trial, from_examples=0, checkpoints=(2560, 7680))
        one = run(prepared, whole, fresh(workspace, tmp_path / "a"))
        run(prepared, Leg(trial=trial, from_examples=0, checkpoints=(2560,)), place)
        two = run(prepared, Leg(trial=trial, from_examples=2560, checkpoints=(7680,)), place)
        assert two.measurements[-1].value == one.measurements[-1].value
