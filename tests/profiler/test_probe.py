"""Probes: what is timed, how the time is shared, and what counts as an answer."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.calibration import Prepared
from advisor.cost import shape_of
from advisor.evidence import Candidate, StepCost
from advisor.search_space import candidates
from profiler.isolation import ChildFailedError, device_slot
from profiler.messages import ProbeRound
from profiler.probe import probe
from profiler.probe_step import probe_step
from profiler.workspace import Workspace

STEPS = ProbeRound(step_seconds=(0.1, 0.3), peak_bytes=100)
WHOLE = STEPS.model_copy(update={"evaluation_seconds": 0.5})
LATE, BROKEN, FULL, STOPPED = (
    ChildFailedError("timed_out", "late"),
    ChildFailedError("failed", "broken"),
    ChildFailedError("out_of_memory", "full"),
    ChildFailedError("cancelled", "stopped"),
)


class Children:
    """Stand for the children of a probe: each loss plays its rounds one after the other."""

    def __init__(self, **rounds: list[list[ProbeRound | ChildFailedError]]) -> None:
        self.rounds = rounds
        self.limits: list[tuple[str, float]] = []

    def __call__(
        self, function: str, arguments: dict[str, Any], *, time_limit_seconds: float, **_: Any
    ) -> Iterator[ProbeRound]:
        loss = arguments["candidate"].loss
        self.limits.append((loss, time_limit_seconds))
        mine = self.rounds.get(loss, [])
        for event in mine.pop(0) if mine else [STEPS, WHOLE]:
            if isinstance(event, ChildFailedError):
                raise event
            yield event


def shapes(prepared: Prepared) -> list[Candidate]:
    space = candidates(prepared.task, prepared.statistics)
    return [shape_of(space[loss][0]) for loss in ("softmax", "sampled_softmax", "bpr")]


def costs(
    prepared: Prepared, place: Path, monkeypatch: pytest.MonkeyPatch, children: Children
) -> dict[str, StepCost]:
    monkeypatch.setattr("profiler.probe.in_child", children)
    monkeypatch.setattr("profiler.probe.wait_for_server", lambda: None)
    # So many classes that softmax is the dearest; the children are none, so nothing is trained.
    many = prepared.statistics.model_copy(update={"n_classes": 100_000})
    large = prepared.model_copy(update={"statistics": many})
    found = probe(large, shapes(large), Workspace(place), 9.0, time.monotonic() + 60)
    return {cost.candidate.loss: cost for cost in found}


def test_every_shape_is_timed_at_the_tasks_size(prepared: Prepared, workspace: Workspace) -> None:
    found = list(probe(prepared, shapes(prepared), workspace, 6.0, time.monotonic() + 60))
    assert [cost.candidate for cost in found] == shapes(prepared)
    for cost in found:
        assert cost.outcome == "completed"
        assert cost.step_seconds is not None
        assert 0 < cost.step_seconds.low <= cost.step_seconds.mean <= cost.step_seconds.high < 1
        assert cost.evaluation_seconds is not None
        assert 0 < cost.evaluation_seconds < 5


def test_steps_are_told_before_the_evaluation_is_timed(prepared: Prepared) -> None:
    warm_up, steps, whole = probe_step(prepared, shapes(prepared)[0], 1, 0.05)
    assert len(warm_up.step_seconds) == 1
    assert warm_up.evaluation_seconds is steps.evaluation_seconds is None
    assert steps.step_seconds == whole.step_seconds
    assert whole.evaluation_seconds is not None


def test_time_that_cheap_losses_leave_goes_to_dear_ones(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = Children()
    costs(prepared, tmp_path, monkeypatch, children)
    first_round = children.limits[:3]
    assert first_round[-1][0] == "softmax"  # the dearest
    assert [limit for _, limit in first_round] == pytest.approx([3.0, 4.5, 9.0], rel=0.05)
    assert len(children.limits) == 9


def test_steps_that_came_before_the_time_was_over_are_an_answer(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = Children(softmax=[[STEPS, LATE]] * 3, bpr=[[LATE]])
    found = costs(prepared, tmp_path, monkeypatch, children)
    assert found["softmax"].outcome == "completed"
    assert found["softmax"].step_seconds is not None
    assert found["softmax"].evaluation_seconds == 0.5  # as long as the others'
    assert (found["bpr"].outcome, found["bpr"].step_seconds) == ("timed_out", None)


@pytest.mark.parametrize(
    ("second", "outcome"), [(BROKEN, "completed"), (LATE, "completed"), (FULL, "out_of_memory")]
)
def test_a_shape_that_was_timed_once_fails_of_memory_only(
    prepared: Prepared,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    second: ChildFailedError,
    outcome: str,
) -> None:
    children = Children(softmax=[[WHOLE], [second], [WHOLE]])
    assert costs(prepared, tmp_path, monkeypatch, children)["softmax"].outcome == outcome


def test_a_shape_that_fails_at_once_says_why(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = costs(prepared, tmp_path, monkeypatch, Children(softmax=[[BROKEN]]))
    assert (found["softmax"].outcome, found["softmax"].detail) == ("failed", "broken")


def test_a_probe_that_is_stopped_keeps_the_rounds_there_are(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = costs(prepared, tmp_path, monkeypatch, Children(softmax=[[STOPPED]]))
    assert {loss: c.outcome for loss, c in at_once.items()} == {
        "sampled_softmax": "completed",
        "bpr": "completed",
    }
    later = costs(prepared, tmp_path, monkeypatch, Children(softmax=[[WHOLE], [STOPPED]]))
    assert {c.outcome for c in later.values()} == {"completed"}
    assert len(later) == 3


def test_a_device_that_is_busy_until_the_deadline_is_nobodys_failure(
    prepared: Prepared, tmp_path: Path
) -> None:
    place = Workspace(tmp_path)
    with device_slot(tmp_path, place.device_slot):
        found = list(probe(prepared, shapes(prepared), place, 9.0, time.monotonic() + 0.2))
    assert found == []


@pytest.mark.parametrize("times", [(0.1,), (0.1, 0.3)])
def test_quartiles_stay_between_the_least_and_the_greatest_step(
    prepared: Prepared,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    times: tuple[float, ...],
) -> None:
    seen = WHOLE.model_copy(update={"step_seconds": times})
    children = Children(softmax=[[seen], [BROKEN], [BROKEN]])
    step = costs(prepared, tmp_path, monkeypatch, children)["softmax"].step_seconds
    assert step is not None
    assert min(times) <= step.low <= step.mean <= step.high <= max(times)
