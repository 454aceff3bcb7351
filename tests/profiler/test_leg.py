"""Legs in real children: what they measure, how they end, and that a pause changes nothing."""

import time
from pathlib import Path

import pytest

from advisor.calibration import Prepared
from advisor.evidence import Candidate, Leg, LegReport, Trial
from advisor.search_space import candidates
from profiler.leg_in_child import run_leg_in_child
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


def test_old_states_are_deleted_but_for_the_last_two(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    place = fresh(workspace, tmp_path)
    for start, until in ((0, 256), (256, 512), (512, 1024)):
        asked = leg(prepared, until, start=start)
        assert run(prepared, asked, place).outcome == "completed"
    folder = place.states_dir(prepared.task_fingerprint) / asked.trial.id
    assert sorted(int(p.stem) for p in folder.iterdir()) == [512, 1024]


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
