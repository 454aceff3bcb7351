"""One round of a probe: step seconds and peak bytes of one candidate; runs in a child process."""

import time
from collections.abc import Iterator

import torch

from advisor.calibration import Prepared
from advisor.evidence import Candidate, Trial
from profiler.dataset import open_dataset
from profiler.leg import PeakMemory, validate
from profiler.messages import ProbeRound
from profiler.trial_state import TrialState

_WARM_UP_STEPS = 3
_MAX_STEPS = 40


def probe_step(
    prepared: Prepared, candidate: Candidate, n_threads: int, seconds: float
) -> Iterator[ProbeRound]:
    """Warm up, then time at least one and at most 40 steps within about `seconds`."""
    torch.set_num_threads(n_threads)
    dataset = open_dataset(prepared.dataset_dir)
    memory = PeakMemory()
    trial = TrialState(prepared.task, dataset, Trial(candidate=candidate, seed=0))
    started = time.perf_counter()
    for _ in range(_WARM_UP_STEPS):
        trial.step()
        if time.perf_counter() - started > seconds:
            break
    times: list[float] = []
    while len(times) < _MAX_STEPS and (not times or sum(times) < seconds):
        before = time.perf_counter()
        trial.step()
        times.append(time.perf_counter() - before)
    peak_bytes = memory.peak_bytes()
    before = time.perf_counter()
    validate(prepared, dataset, trial)
    yield ProbeRound(
        step_seconds=tuple(times),
        evaluation_seconds=time.perf_counter() - before,
        peak_bytes=peak_bytes,
    )
