"""One round of a probe: step seconds and peak bytes of one candidate; runs in a child process."""

import time
from collections.abc import Iterator

import torch

from advisor.calibration import Prepared
from advisor.evidence import Candidate, Trial
from profiler.dataset import open_dataset
from profiler.leg import PeakMemory, Validation
from profiler.messages import ProbeRound
from profiler.trial_state import TrialState

_WARM_UP_STEPS = 3
_MAX_STEPS = 40


def probe_step(
    prepared: Prepared, candidate: Candidate, n_threads: int, seconds: float
) -> Iterator[ProbeRound]:
    """Warm up, then time at least one and at most 40 steps within about `seconds`.

    Yields at once what there is, for a child that is out of time: the last step of the warm-up,
    the timed steps instead, and these with an evaluation, timed on a part of its rows. The last
    peak is that of steps and evaluation, as a training has both.
    """
    torch.set_num_threads(n_threads)
    dataset = open_dataset(prepared.dataset_dir, prepared.task.model)
    memory = PeakMemory()
    trial = TrialState(prepared.task, dataset, Trial(candidate=candidate, seed=0))
    warm_up: list[float] = []
    while len(warm_up) < _WARM_UP_STEPS and sum(warm_up) < seconds:
        warm_up.append(_step_seconds(trial))
    yield ProbeRound(step_seconds=(warm_up[-1],), peak_bytes=memory.peak_bytes())
    times: list[float] = []
    while len(times) < _MAX_STEPS and sum(times) < seconds:
        times.append(_step_seconds(trial))
    seen = ProbeRound(step_seconds=tuple(times), peak_bytes=memory.peak_bytes())
    yield seen
    evaluation = Validation(prepared, dataset, trial).estimated_seconds(seconds)
    whole = {"evaluation_seconds": evaluation, "peak_bytes": memory.peak_bytes()}
    yield seen.model_copy(update=whole)


def _step_seconds(trial: TrialState) -> float:
    started = time.perf_counter()
    trial.step()
    return time.perf_counter() - started
