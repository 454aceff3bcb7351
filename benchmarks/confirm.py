"""Is the recommendation right? Calibrations set against the ground truth of `ground_truth.py`.

    python -m benchmarks.confirm --data DIR [--only ml100k ...] [--budget 180] [--json confirm.json]

A fresh calibration of each task chooses a candidate, the trade for speed and memory at 0; its true
value at the horizon is set beside the best of the full grid. What is known before it is the ground
truth of the other tasks. Relative regret on validation, and on test with its floor: the regret of
the grid's own validation pick. Also: was the budget kept?
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from advisor.evidence import Candidate
from advisor.prior import Bank
from advisor.task import Metric, Task, Trade
from benchmarks.ground_truth import CURVES, true_values
from benchmarks.stored import stored_profiles
from benchmarks.tasks import tasks
from profiler.calibrate import calibrate
from profiler.device import this_device
from profiler.workspace import Workspace

FIRST_SEED = 100  # other trials than the truth's


def main() -> None:
    options = _options()
    known = tasks(options.data)
    names = options.only or [n for n in known if (CURVES / f"{n}.parquet").exists()]
    print(
        f"{'task':18s}{'chosen':20s}{'true':>9s}{'best':>9s} {'best loss':20s}{'regret':>8s}"
        f"{'test':>8s}{'floor':>8s}{'P(best)':>8s}{'wall':>7s}  verdict"
    )
    rows: list[dict[str, Any]] = []
    for name in names:
        for repetition in range(options.repetitions):
            row = _row(known[name], options, repetition)
            rows.append(row)
            print(
                f"{name:18s}{row['chosen']:20s}{row['true_value']:9.4f}{row['best_value']:9.4f} "
                f"{row['best_loss']:20s}{row['regret']:8.2%}{row['test_regret']:8.2%}"
                f"{row['test_regret_floor']:8.2%}{row['p_best']:8.2f}{row['wall_seconds']:7.1f}  "
                f"{row['verdict']}",
                flush=True,
            )
    print(f"median regret {statistics.median(r['regret'] for r in rows):.2%}")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


def _row(task: Task, options: argparse.Namespace, repetition: int) -> dict[str, Any]:
    asked = task.model_copy(update={"trade": Trade(speed=0.0, memory=0.0)})
    folder = Path(tempfile.mkdtemp(prefix="confirm-"))
    workspace = Workspace(folder, device=this_device(options.threads))
    started = time.monotonic()
    seed = FIRST_SEED + repetition
    answer = calibrate(
        asked, options.budget, workspace=workspace, seed=seed, bank=_of_others(task.name)
    ).recommendation
    wall_seconds = time.monotonic() - started
    shutil.rmtree(folder)
    metric = task.parsed_metric
    values, on_test = true_values(task.name), true_values(task.name, "test_value")
    chosen = Candidate(loss=answer.loss, settings=answer.settings).key
    best, best_on_test = _best(values, metric), _best(on_test, metric)
    ranked = answer.ranking[0]
    return {
        "task": task.name,
        "repetition": repetition,
        "chosen": answer.loss,
        "settings": answer.settings,
        "true_value": values[chosen],
        "predicted": ranked.predicted_metric.model_dump() if ranked.predicted_metric else None,
        "best_value": values[best],
        "best_loss": best.split()[0],
        "regret": metric.behind(values[chosen], values[best]),
        "test_regret": metric.behind(on_test[chosen], on_test[best_on_test]),
        "test_regret_floor": metric.behind(on_test[best], on_test[best_on_test]),
        "expected_regret": answer.expected_regret,
        "p_best": answer.p_best,
        "verdict": answer.verdict,
        "budget_seconds": options.budget,
        "wall_seconds": wall_seconds,
    }


def _of_others(name: str) -> Bank:
    """What the curves of the other tasks say: a task's own truth must not help to find it."""
    others = sorted(f.stem for f in CURVES.glob("*.parquet") if f.stem != name)
    return Bank.of(p for other in others for p in stored_profiles(other))


def _best(values: dict[str, float], metric: Metric) -> str:
    return max(values, key=lambda key: metric.score(values[key]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--only", nargs="+", help="these tasks")
    parser.add_argument("--budget", type=float, default=180)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
