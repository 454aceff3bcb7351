"""diagnose_leaders: the leading trials of a calibration, diagnosed in what time is left.

No torch is imported here.
"""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from advisor.calibration import Prepared
from advisor.catalogue import known_loss
from advisor.cost import cost_of, shape_of
from advisor.evidence import Candidate, Diagnosis, StepCost, Trial
from advisor.recommendation import Recommendation
from profiler.isolation import ChildFailedError, device_slot, in_child
from profiler.workspace import Workspace

DRAWS = 20
_FUNCTION = "profiler.diagnose_trials:diagnose_trials"
_START_SECONDS = 0.2  # a child process and its dataset
_LOAD_SECONDS = 0.05  # a trial's state
_PATH_STEPS, _EXACT_STEPS = 15, 3  # training steps that take as long as the rest of it
_MOST = 4  # losses: the one named, and sampled ones behind it


def diagnose_leaders(
    prepared: Prepared,
    recommendation: Recommendation,
    costs: Sequence[StepCost],
    workspace: Workspace,
    seed: int,
    seconds_left: float,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Diagnosis]:
    """Diagnoses by candidate key: of the recommended loss, then of the likeliest sampled ones.

    Of those whose trial was saved, as many as are expected to fit into the seconds left, which are
    never exceeded. Where it fails there is nothing to say; it never raises.
    """
    deadline = time.monotonic() + seconds_left
    expected_seconds = _START_SECONDS
    chosen: list[tuple[Trial, str]] = []
    for candidate in _worth_a_look(recommendation):
        trial = Trial(candidate=candidate, seed=seed)
        state = _newest_state(workspace.states_dir(prepared.task_fingerprint) / trial.id)
        seconds = _expected_seconds(candidate, prepared, costs)
        if state is not None and expected_seconds + seconds < seconds_left:
            chosen.append((trial, str(state)))
            expected_seconds += seconds
    found: dict[str, Diagnosis] = {}
    if not chosen:
        return found
    arguments = {
        "prepared": prepared,
        "trials": chosen,
        "n_threads": workspace.threads(prepared),
        "draws": DRAWS,
    }
    with (
        contextlib.suppress(ChildFailedError),
        device_slot(
            workspace.data_dir, workspace.device_slot, deadline=deadline, should_stop=should_stop
        ),
    ):
        for key, diagnosis in in_child(
            _FUNCTION,
            arguments,
            time_limit_seconds=deadline - time.monotonic(),
            memory_limit_bytes=workspace.memory_limit_bytes,
            should_stop=should_stop,
        ):
            found[key] = diagnosis
    return found


def _worth_a_look(recommendation: Recommendation) -> Sequence[Candidate]:
    leader, *others = recommendation.ranking
    sampled = [r for r in others if r.feasible and known_loss(r.loss).card.family == "sampled"]
    sampled.sort(key=lambda r: -r.p_best)
    return [Candidate(loss=r.loss, settings=r.settings) for r in (leader, *sampled)][:_MOST]


def _newest_state(folder: Path) -> Path | None:
    return max(folder.glob("*.pt"), key=lambda path: int(path.stem), default=None)


def _expected_seconds(candidate: Candidate, prepared: Prepared, costs: Sequence[StepCost]) -> float:
    """Steps, of which those with more negatives take as many times longer, and exact gradients."""
    draws = DRAWS if known_loss(candidate.loss).card.family == "sampled" else 1
    own = _step_seconds(candidate, prepared, costs)
    softmax = _step_seconds(Candidate(loss="softmax", settings={}), prepared, costs)
    return _LOAD_SECONDS + own * (5 * draws + _PATH_STEPS) + softmax * _EXACT_STEPS


def _step_seconds(candidate: Candidate, prepared: Prepared, costs: Sequence[StepCost]) -> float:
    task = prepared.task
    shape = shape_of(candidate)
    cost = cost_of(shape, task, prepared.statistics, prepared.device, costs).seconds_per_example
    return cost.mean * task.training.batch_size if cost else math.inf
