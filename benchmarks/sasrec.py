"""SASRec on Amazon Beauty: softmax, sampled softmax, and BCE with one negative, beside published.

    python -m benchmarks.sasrec --data DIR [--file sasrec.json] [--seconds 4800]

Leave-one-out, all users, ranked over all 12,101 items less the history, NDCG@10; loss on the real
positions, 20 items read at once. Every loss is tuned alone, over the first settings of its own
card by validation, then its best setting is trained with further seeds; test is read where
validation is best. A training ends when validation no longer rises, at the latest after as many
epochs as take about the same time with every loss. Resumable: a finished training is in the file
and not made again. Values do not depend on the machine's load; two trainings run beside each
other, each on one thread, and none begins so late that all would take over 90 minutes.
"""

import argparse
import json
import math
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from advisor.calibration import Prepared
from advisor.evidence import Candidate, Trial
from advisor.search_space import candidates
from advisor.task import Columns, DataSource, LossSelection, Model, Task, Training
from benchmarks.trial import Point
from profiler.dataset import open_dataset
from profiler.device import this_device
from profiler.isolation import in_child
from profiler.leg import PeakMemory, TrainingClock, evaluated
from profiler.prepare import prepare
from profiler.trial_state import TrialState
from profiler.workspace import Workspace

BCE = "negative_sampling"
LOSSES = {
    "softmax": {},
    "sampled_softmax": {"n_negatives": (256,)},  # as where .0531 was published
    BCE: {"n_negatives": (1,), "negatives": ("per_row",)},
}
EPOCHS = {"softmax": 20, "sampled_softmax": 30, BCE: 40}
EPOCHS_BETWEEN_LOOKS = 2
PATIENCE = 3
"""Looks without a better one that end a training."""
PUBLISHED = {
    "this file of 12,101 items": (BCE, 0.0318, "sampled_softmax", 0.0531),
    "another of 54,542 items": (BCE, 0.0126, "softmax", 0.0327),
}
GOAL = 1.3


def main() -> None:
    options = _options()
    until = time.monotonic() + options.seconds
    workspace = Workspace(options.work.resolve(), device=this_device(1))
    prepared = prepare(_task(options.data), workspace)
    options.file.parent.mkdir(parents=True, exist_ok=True)
    study = Study(prepared, options)

    def begin(trial: Trial) -> None:
        if time.monotonic() < until:
            study.train(trial)

    for missing in (study.tuning, study.seeds):
        with ThreadPoolExecutor(options.processes) as pool:
            list(pool.map(begin, missing()))
    study.report()


class Study:
    """The trainings so far, and which are missing."""

    def __init__(self, prepared: Prepared, options: argparse.Namespace) -> None:
        self.prepared, self.options = prepared, options
        file = options.file
        self.done: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
        if any(trial["part"] != options.part for trial in self.done):
            raise SystemExit(f"{file} holds trainings of another --part; name another --file")
        space = candidates(prepared.task, prepared.statistics)
        self.space = {loss: group[: options.settings] for loss, group in space.items()}
        self._lock = threading.Lock()

    def tuning(self) -> list[Trial]:
        """One seed of every setting, loss by loss in turn, so that an early end has of each."""
        deepest = max(map(len, self.space.values()))
        chosen = [g[i] for i in range(deepest) for g in self.space.values() if i < len(g)]
        return self._missing(Trial(candidate=c, seed=0) for c in chosen)

    def seeds(self) -> list[Trial]:
        """Further seeds of every loss's best setting by validation."""
        leaders = [best for loss in self.space if (best := self._best(loss))]
        numbers = range(1, self.options.seeds)
        return self._missing(Trial(candidate=c, seed=n) for n in numbers for c in leaders)

    def train(self, trial: Trial) -> None:
        """Train it in a child and keep it; a diverged one has the points before that."""
        arguments = {
            "prepared": self.prepared,
            "trial": trial,
            "epochs": self.options.part * EPOCHS[trial.candidate.loss],
            "every": self.options.part * EPOCHS_BETWEEN_LOOKS,
        }
        points: list[Point] = list(in_child("benchmarks.sasrec:train", arguments))
        at_best = max(points, key=lambda p: p.value or 0.0)
        told = {
            "loss": trial.candidate.loss,
            "settings": trial.candidate.settings,
            "seed": trial.seed,
            "part": self.options.part,
            "value": at_best.value,
            "test_value": at_best.test_value,
            "epochs": at_best.examples / self.prepared.statistics.n_examples,
            "train_seconds": points[-1].train_seconds,
            "points": [p.model_dump() for p in points],
        }
        with self._lock:
            self.done.append(told)
            partial = self.options.file.with_suffix(".partial")
            partial.write_text(json.dumps(self.done, indent=1) + "\n")
            partial.replace(self.options.file)
        print(
            f"{told['loss']:18s} lr {trial.candidate.settings['learning_rate']:<6g} decay "
            f"{trial.candidate.settings['weight_decay']:<6g} seed {trial.seed}: validation "
            f"{at_best.value or 0:.4f}, test {at_best.test_value or 0:.4f} after "
            f"{told['epochs']:.0f} epochs; {told['train_seconds']:.0f} s",
            flush=True,
        )

    def report(self) -> None:
        """Test NDCG@10 of every loss's best setting over its seeds, and the ratios to BCE."""
        means = {loss: _mean(self._tests(loss)) for loss in self.space}
        for loss, (mean, error) in means.items():
            n = len(self._tests(loss))
            print(
                f"{loss:18s} NDCG@10 {mean:.4f} +- {2 * error:.4f} (two standard errors, {n} seeds)"
            )
        below, below_error = means[BCE]
        for loss in (loss for loss in self.space if loss != BCE):
            mean, error = means[loss]
            ratio = mean / below
            spread = 2 * ratio * math.hypot(error / mean, below_error / below)
            met = "met" if ratio - spread >= GOAL else "NOT MET"
            print(f"{loss} / BCE {ratio:.2f} +- {spread:.2f}; goal {GOAL} beyond that: {met}")
        for where, (one, low, other, high) in PUBLISHED.items():
            print(f"published, {where}: {one} {low}, {other} {high}, {high / low:.2f} times")

    def _best(self, loss: str) -> Candidate | None:
        known = {
            trial["value"] or 0.0: Candidate(loss=loss, settings=trial["settings"])
            for trial in self.done
            if trial["loss"] == loss and trial["seed"] == 0
        }
        return known[max(known)] if known else None

    def _tests(self, loss: str) -> list[float]:
        best = self._best(loss)
        return [
            trial["test_value"] or 0.0 for trial in self.done if best and _key(trial) == best.key
        ]

    def _missing(self, trials: Iterator[Trial]) -> list[Trial]:
        have = {(_key(trial), trial["seed"]) for trial in self.done}
        return [t for t in trials if (t.candidate.key, t.seed) not in have]


def train(prepared: Prepared, trial: Trial, epochs: float, every: float) -> Iterator[Point]:
    """In the child: a point each `every` epochs, validation on all users, test where it is best."""
    torch.set_num_threads(1)
    dataset = open_dataset(prepared.dataset_dir, prepared.task.model)
    memory = PeakMemory()
    state = TrialState(prepared.task, dataset, trial)
    clock = TrainingClock(state, time.monotonic() + 1e6)
    metric = prepared.task.parsed_metric
    validation, test = dataset.evaluation("validation"), dataset.evaluation("test")
    best, since_best = -math.inf, 0
    for n in range(1, math.ceil(epochs / every) + 1):
        clock.train_until(round(min(epochs, n * every) * dataset.n_examples))
        value = evaluated(state, validation, metric) if clock.is_finite() else math.nan
        is_best = value > best
        best, since_best = (value, 0) if is_best else (best, since_best + 1)
        yield Point(
            examples=state.examples,
            value=value if math.isfinite(value) else None,
            test_value=evaluated(state, test, metric) if is_best else None,
            train_loss=clock.mean_loss(),
            train_seconds=clock.seconds,
            peak_bytes=memory.peak_bytes(),
        )
        if not math.isfinite(value) or since_best >= PATIENCE:
            return


def _task(data_dir: Path) -> Task:
    file = (data_dir / "amazon_beauty_5core.parquet").resolve()
    columns = Columns(user="user", item="item", time="timestamp")
    return Task(
        name="sasrec_beauty",
        kind="sequences",
        data=DataSource(path=str(file), columns=columns),
        metric="ndcg@10",
        model=Model(sequence_length=20, dropout=0.5),  # of sparse data, as SASRec's authors take it
        training=Training(batch_size=128),
        losses=LossSelection(include=tuple(LOSSES), settings=LOSSES),
    )


def _key(trial: dict[str, Any]) -> str:
    return Candidate(loss=trial["loss"], settings=trial["settings"]).key


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error; infinite of fewer than two."""
    if len(values) < 2:
        return (values[0] if values else math.nan), math.inf
    return statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--work", type=Path, default=Path("artifacts/sasrec"))
    parser.add_argument("--file", type=Path, default=Path("artifacts/sasrec.json"))
    parser.add_argument("--seconds", type=float, default=4800, help="begin nothing after so many")
    parser.add_argument("--settings", type=int, default=6, help="of each loss, in its card's order")
    parser.add_argument("--seeds", type=int, default=4, help="of each loss's best setting")
    parser.add_argument("--part", type=float, default=1, help="of the epochs, to try it out")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
