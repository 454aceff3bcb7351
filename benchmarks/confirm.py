"""Is the recommendation right? Calibrations set against the ground truth of `truth.py`.

    python benchmarks/confirm.py --data FILE --curves curves.jsonl --json confirm.json

For each horizon (5 training seconds; 20 epochs) a fresh calibration of `--budget` seconds chooses a
candidate; its true value (seed mean, best-so-far at the horizon, in examples by that calibration's
own probe) is set beside the best true value of the full grid. Also: was the budget kept?
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from truth import load, task_of

from advisor.calibration import Event
from advisor.cost import shape_of
from advisor.curve import best_so_far, value_at
from advisor.evidence import Candidate, LegReport, StepCost
from advisor.task import Horizon, Trade
from profiler.calibrate import calibrate
from profiler.device import this_device
from profiler.workspace import Workspace

FIRST_SEED = 100  # other trials than the truth's
HORIZONS = {"short": Horizon(seconds=5), "long": Horizon(epochs=20)}


def main() -> None:
    options = _options()
    reports = load(options.curves)
    rows = [
        _row(options, name, horizon, trade, reports, repetition)
        for repetition in range(options.repetitions)
        for name, horizon in HORIZONS.items()
        for trade in options.speed
    ]
    heading = (
        f"{'horizon':8s}{'speed':>6s} {'chosen':18s}{'true':>8s}{'best':>8s} {'best loss':18s}"
    )
    print(heading + f"{'ratio':>7s}{'P(best)':>8s}{'wall':>7s}  verdict")
    for r in rows:
        print(
            f"{r['horizon']:8s}{r['speed']:6.2f} {r['chosen']:18s}{r['true_value']:8.4f}"
            f"{r['best_value']:8.4f} {r['best_loss']:18s}{r['ratio']:7.3f}{r['p_best']:8.2f}"
            f"{r['wall_seconds']:7.1f}  {r['verdict']}"
        )
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


def _row(options, name, horizon, speed, reports: list[LegReport], repetition: int) -> dict:
    task = task_of(options.data, options.metric, 20, options.batch_size).model_copy(
        update={"horizon": horizon, "trade": Trade(speed=speed)}
    )
    folder = Path(tempfile.mkdtemp(prefix="confirm-"))
    costs: dict[str, StepCost] = {}
    n_examples: list[int] = []

    def listen(event: Event) -> None:
        if event.kind == "probed":
            costs[event.cost.candidate.key] = event.cost
        if event.kind == "prepared":
            n_examples.append(event.prepared.statistics.n_examples)

    started = time.monotonic()
    workspace = Workspace(folder, device=this_device(options.threads))
    done = calibrate(
        task, options.budget, workspace=workspace, on_event=listen, seed=FIRST_SEED + repetition
    )
    answer = done.recommendation
    wall_seconds = time.monotonic() - started
    shutil.rmtree(folder)

    def true_value(candidate: Candidate) -> float:
        per_example = costs[shape_of(candidate).key].seconds_per_example
        examples = horizon.examples(n_examples[0], per_example)
        mine = [r for r in reports if r.leg.trial.candidate.key == candidate.key]
        return float(np.mean([value_at(best_so_far(r.measurements), examples) or 0 for r in mine]))

    truth = {r.leg.trial.candidate.key: r.leg.trial.candidate for r in reports}
    values = {key: true_value(candidate) for key, candidate in truth.items()}
    best = max(values, key=lambda key: values[key])
    chosen = Candidate(loss=answer.loss, settings=answer.settings)
    ranked = answer.ranking[0]
    return {
        "horizon": name,
        "speed": speed,
        "repetition": repetition,
        "chosen": answer.loss,
        "settings": answer.settings,
        "true_value": values[chosen.key],
        "predicted": ranked.predicted_metric.model_dump() if ranked.predicted_metric else None,
        "best_value": values[best],
        "best_loss": truth[best].loss,
        "best_settings": truth[best].settings,
        "ratio": values[chosen.key] / values[best],
        "p_best": answer.p_best,
        "verdict": answer.verdict,
        "budget_seconds": options.budget,
        "wall_seconds": wall_seconds,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--curves", type=Path, required=True)
    parser.add_argument("--metric", default="ndcg@20")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--budget", type=float, default=120)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--speed", type=float, nargs="*", default=[0.01])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
