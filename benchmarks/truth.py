"""Ground truth of a small task: every setting of every loss to the horizon, curves kept.

    python benchmarks/truth.py --data FILE --curves curves.jsonl [--epochs 20] [--seeds 3]

Resumable: each finished trial is one JSON line, and a line that is there is not trained again.
First every setting with one seed, then further seeds for those within 3% of the best. Validation
values against examples do not depend on the machine's load; seconds come from a probe later.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from advisor.curve import best_so_far, checkpoints
from advisor.evidence import Candidate, Leg, LegReport, Trial
from advisor.search_space import candidates
from advisor.task import DataSource, Horizon, LossSelection, Model, Task, Training
from profiler.device import this_device
from profiler.leg_in_child import run_leg_in_child
from profiler.prepare import prepare
from profiler.workspace import Workspace

LEADERS_WITHIN = 0.03


def main() -> None:
    options = _options()
    task = task_of(options.data, options.metric, options.epochs, options.batch_size)
    selection = LossSelection(include=options.include)
    task = task.model_copy(update={"losses": selection})
    data_dir = options.curves.with_suffix(".work").resolve()
    workspace = Workspace(data_dir, device=this_device(options.threads))
    prepared = prepare(task, workspace)
    batch = task.training.batch_size
    horizon = round(options.epochs * prepared.statistics.n_examples)
    reports = load(options.curves)
    for candidate, seed in _open_trials(task, prepared.statistics, reports, options.seeds):
        points = checkpoints(horizon, batch)
        leg = Leg(trial=Trial(candidate=candidate, seed=seed), from_examples=0, checkpoints=points)
        report = run_leg_in_child(prepared, leg, workspace, time.monotonic() + options.limit)
        reports.append(report)
        with options.curves.open("a") as file:
            file.write(report.model_dump_json() + "\n")
        best = max((m.value or 0.0 for m in report.measurements), default=0.0)
        print(
            f"{candidate.loss:18s} {json.dumps(candidate.settings)} seed {seed}: {best:.4f} "
            f"{report.outcome} {report.train_seconds:.1f} s",
            flush=True,
        )


def task_of(data: Path, metric: str, epochs: float, batch_size: int) -> Task:
    """The task that is trained: factorisation, 64 dimensions, biases."""
    return Task(
        name=data.stem,
        data=DataSource(path=str(data.resolve())),
        metric=metric,
        model=Model(embedding_dim=64),
        training=Training(batch_size=batch_size),
        horizon=Horizon(epochs=epochs),
    )


def load(path: Path) -> list[LegReport]:
    """The finished trials of a curves file; empty where there is none yet."""
    if not path.exists():
        return []
    return [LegReport.model_validate_json(line) for line in path.read_text().splitlines()]


def final_values(reports: list[LegReport]) -> dict[str, list[float]]:
    """Best-so-far at the horizon by candidate key, one value per seed."""
    values: dict[str, list[float]] = {}
    for report in reports:
        curve = best_so_far(report.measurements)
        final = curve[-1].value if curve else 0.0
        values.setdefault(report.leg.trial.candidate.key, []).append(final)
    return values


def _open_trials(task, statistics, reports, n_seeds) -> Iterator[tuple[Candidate, int]]:
    space = [c for group in candidates(task, statistics).values() for c in group]
    # Setting by setting over all losses, so that an interrupted run has something of each.
    space.sort(key=lambda c: [g.index(c) for g in candidates(task, statistics).values() if c in g])
    done = {(r.leg.trial.candidate.key, r.leg.trial.seed) for r in reports}
    for candidate in space:
        if (candidate.key, 0) not in done:
            yield candidate, 0
    values = final_values(reports)
    best = max(v[0] for v in values.values())
    for seed in range(1, n_seeds):
        for candidate in space:
            is_leader = values[candidate.key][0] >= (1 - LEADERS_WITHIN) * best
            if is_leader and (candidate.key, seed) not in done:
                yield candidate, seed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--curves", type=Path, required=True)
    parser.add_argument("--metric", default="ndcg@20")
    parser.add_argument("--epochs", type=float, default=20)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--include", nargs="+", help="these losses only")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=3600, help="seconds a trial may take")
    return parser.parse_args()


if __name__ == "__main__":
    main()
