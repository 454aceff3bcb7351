"""Gradients on the eight tasks: bias, variance and cosine to softmax's exact one, loss by loss.

    python -m benchmarks.gradients --data DIR [--only ml100k ...]

Each loss is trained at its best settings of the ground truth for a tenth of the horizon; there its
gradient on one batch of the task's training data is drawn 20 times and set beside softmax's exact
one at the same parameters. Resumable: what is measured is in benchmarks/curves/gradients.json.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from advisor.calibration import Prepared
from advisor.evidence import Diagnosis, Trial
from benchmarks.ground_truth import CURVES, true_values
from benchmarks.stored import stored_profiles
from benchmarks.tasks import tasks
from profiler.dataset import open_dataset
from profiler.device import this_device
from profiler.diagnose_in_child import DRAWS
from profiler.diagnose_trials import diagnose_trials
from profiler.isolation import ChildFailedError, in_child
from profiler.prepare import prepare
from profiler.trial_state import TrialState
from profiler.workspace import Workspace

FILE = CURVES / "gradients.json"
TRAINED_SHARE = 0.1  # of the horizon
_SECONDS = 600.0

Measured = dict[str, dict[str, dict[str, Any]]]
"""By task and loss: settings and the diagnosis, as JSON."""


def main() -> None:
    options = _options()
    known = tasks(options.data)
    for name in options.only or known:
        workspace = Workspace(options.work.resolve(), device=this_device(options.threads))
        prepared = prepare(known[name], workspace)
        for trial in _best_of_each_loss(name, prepared):
            loss = trial.candidate.loss
            if loss not in measured().get(name, {}):
                _keep(name, trial, _diagnosis(prepared, trial, options.threads))


def measured() -> Measured:
    """What is measured so far."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def train_and_diagnose(
    prepared: Prepared, trial: Trial, examples: int, folder: str, n_threads: int
) -> Iterator[Diagnosis]:
    """In a child: the trial trained for so many examples, then what its gradient is like."""
    torch.set_num_threads(n_threads)
    state = TrialState(
        prepared.task, open_dataset(prepared.dataset_dir, prepared.task.model), trial
    )
    while state.examples < examples:
        state.step()
    path = Path(folder) / "state.pt"
    state.save(path)
    for _, diagnosis in diagnose_trials(prepared, [(trial, str(path))], n_threads, DRAWS):
        yield diagnosis


def _best_of_each_loss(name: str, prepared: Prepared) -> list[Trial]:
    values, metric = true_values(name), prepared.task.parsed_metric
    best: dict[str, Trial] = {}
    for profile in sorted(
        stored_profiles(name), key=lambda p: -metric.score(values.get(p.candidate.key, 0.0))
    ):
        best.setdefault(profile.candidate.loss, Trial(candidate=profile.candidate, seed=0))
    return list(best.values())


def _diagnosis(prepared: Prepared, trial: Trial, n_threads: int) -> Diagnosis | None:
    horizon = prepared.task.horizon.examples(prepared.statistics.n_examples, 1e-9)
    found: Diagnosis | None = None
    with tempfile.TemporaryDirectory() as folder:
        arguments = {
            "prepared": prepared,
            "trial": trial,
            "examples": round(TRAINED_SHARE * horizon),
            "folder": folder,
            "n_threads": n_threads,
        }
        try:
            for diagnosis in in_child(
                "benchmarks.gradients:train_and_diagnose", arguments, time_limit_seconds=_SECONDS
            ):
                found = diagnosis  # each holds the one before
        except ChildFailedError as error:
            if error.outcome == "failed":  # a fault of the program says nothing of the loss
                raise
            print(error.detail)
    return found


def _keep(name: str, trial: Trial, diagnosis: Diagnosis | None) -> None:
    told = measured()
    told.setdefault(name, {})[trial.candidate.loss] = {
        "settings": trial.candidate.settings,
        "diagnosis": diagnosis.model_dump(mode="json") if diagnosis else None,
    }
    partial = FILE.with_suffix(".partial")
    partial.write_text(json.dumps(told, indent=1) + "\n")
    partial.replace(FILE)
    seen = diagnosis.agreement if diagnosis else None
    words = f"cosine {seen.cosine.mean:.3f}, bias {seen.bias:.3f}" if seen else "no agreement"
    print(f"{name} {trial.candidate.loss:20s} {words}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--work", type=Path, default=Path("artifacts/ground-truth"))
    parser.add_argument("--only", nargs="+", help="these tasks")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
