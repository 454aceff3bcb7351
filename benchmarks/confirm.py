"""Is the recommendation right? Calibrations set against the ground truth of `ground_truth.py`.

    python -m benchmarks.confirm --data DIR [--only ml100k ...] [--budget 180 | --runs 3]
        [--train 2] [--replay regret.json] [--json confirm.json]

A fresh calibration of each task chooses a candidate, the trade for speed and memory at 0; its true
value at the horizon is set beside the best of the full grid. What is known before it is the ground
truth of the other tasks. Relative regret on validation, and on test with its floor: the regret of
the grid's own validation pick. Also: was the budget kept?

With `--runs` the race has so many full trainings of softmax, as in the replay of
`benchmarks.regret`; with `--replay`, its JSON, the regret that was replayed, of worlds without a
quarter of the settings, stands beside the real one. With `--train` the first losses of the ranking
are then trained to the horizon, and what that took is set beside what was forecast.
"""

import argparse
import dataclasses
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from advisor.calibration import Prepared
from advisor.evidence import Candidate, Leg, Trial
from advisor.plan import plan
from advisor.prior import Bank
from advisor.recommendation import RankedCandidate, Recommendation
from advisor.task import Metric, Task, Trade
from benchmarks.ground_truth import CURVES, true_values
from benchmarks.stored import stored_profiles
from benchmarks.tasks import tasks
from benchmarks.world import WHOLE, World
from profiler.calibrate import calibrate
from profiler.device import this_device
from profiler.leg_in_child import run_leg_in_child
from profiler.prepare import prepare
from profiler.workspace import Workspace

FIRST_SEED = 100  # other trials than the truth's
_FULL_SECONDS_MAX = 600.0


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
            _compare(row, options)
            print(
                f"{name:18s}{row['chosen']:20s}{row['true_value']:9.4f}{row['best_value']:9.4f} "
                f"{row['best_loss']:20s}{row['regret']:8.2%}{row['test_regret']:8.2%}"
                f"{row['test_regret_floor']:8.2%}{row['p_best']:8.2f}{row['wall_seconds']:7.1f}  "
                f"{row['verdict']}{_replayed(row)}",
                flush=True,
            )
    print(f"median regret {statistics.median(r['regret'] for r in rows):.2%}")
    _print_costs([cost for row in rows for cost in row["costs"]])
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


def _row(task: Task, options: argparse.Namespace, repetition: int) -> dict[str, Any]:
    asked = task.model_copy(update={"trade": Trade(speed=0.0, memory=0.0)})
    folder = Path(tempfile.mkdtemp(prefix="confirm-"))
    workspace = Workspace(folder, device=this_device(options.threads))
    prepared = prepare(asked, workspace)
    budget = options.budget
    if options.runs:
        probes = plan(prepared, options.budget).probe_seconds
        budget = options.runs * World(task.name, WHOLE).run_seconds + probes
    started = time.monotonic()
    seed = FIRST_SEED + repetition
    answer = calibrate(
        asked, budget, workspace=workspace, seed=seed, bank=_of_others(task.name)
    ).recommendation
    wall_seconds = time.monotonic() - started
    costs = [_cost(prepared, ranked, workspace) for ranked in answer.ranking[: options.train]]
    shutil.rmtree(folder)
    return {
        **_beside_the_truth(task, answer),
        "repetition": repetition,
        "budget_seconds": budget,
        "wall_seconds": wall_seconds,
        "costs": costs,
    }


def _beside_the_truth(task: Task, answer: Recommendation) -> dict[str, Any]:
    metric = task.parsed_metric
    values, on_test = true_values(task.name), true_values(task.name, "test_value")
    chosen = Candidate(loss=answer.loss, settings=answer.settings).key
    best, best_on_test = _best(values, metric), _best(on_test, metric)
    ranked = answer.ranking[0]
    return {
        "task": task.name,
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
    }


def _cost(prepared: Prepared, ranked: RankedCandidate, workspace: Workspace) -> dict[str, Any]:
    """What training it to the horizon takes, beside what was forecast."""
    batch_size, horizon = prepared.task.training.batch_size, prepared.task.horizon
    examples = horizon.examples(prepared.statistics.n_examples, 1e-9)
    whole = -(-examples // batch_size) * batch_size
    candidate = Candidate(loss=ranked.loss, settings=ranked.settings)
    leg = Leg(trial=Trial(candidate=candidate, seed=0), from_examples=0, checkpoints=(whole,))
    # In a folder of its own: no trial of the calibration goes on there.
    with tempfile.TemporaryDirectory(prefix="full-") as folder:
        own = dataclasses.replace(workspace, data_dir=Path(folder))
        report = run_leg_in_child(prepared, leg, own, time.monotonic() + _FULL_SECONDS_MAX)
    # Not ranked.train_seconds: those end where the forecast first reaches 99% of its value.
    said = ranked.curve[-1].seconds if ranked.curve else None
    return {
        "task": prepared.task.name,
        "loss": ranked.loss,
        "outcome": report.outcome,
        "train_seconds": report.train_seconds,
        "train_seconds_forecast": said,
        "peak_bytes": report.peak_bytes,
        "peak_bytes_forecast": ranked.peak_bytes,
    }


def _print_costs(costs: list[dict[str, Any]]) -> None:
    """How far forecasts of cost lie from what full training took."""
    for name in ("train_seconds", "peak_bytes"):
        pairs = [(c[f"{name}_forecast"], c[name]) for c in costs if c["outcome"] == "completed"]
        off = [abs(said / true - 1) for said, true in pairs if said and true]
        if off:
            print(
                f"{name} of {len(off)} full trainings: forecasts are {statistics.median(off):.1%} "
                f"off in the median, {max(off):.1%} at worst"
            )


def _replayed(row: dict[str, Any]) -> str:
    found = row.get("replayed_regrets")
    return f"  replayed {min(found):.1%} to {max(found):.1%}" if found else ""


def _compare(row: dict[str, Any], options: argparse.Namespace) -> None:
    """Add the regrets that were replayed for this task and budget."""
    if not options.replay:
        return
    found = [
        r["regret_validation"]
        for r in json.loads(options.replay.read_text())["rows"]
        if (r["policy"], r["horizon"], r["task"]) == ("ours", 1.0, row["task"])
        and r["budget_runs"] == options.runs
    ]
    row["replayed_regrets"] = found


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
    parser.add_argument("--runs", type=float, help="budget in full trainings, instead of seconds")
    parser.add_argument("--train", type=int, default=0, help="losses to train to the horizon")
    parser.add_argument("--replay", type=Path, help="JSON of benchmarks.regret")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.replay and not options.runs:
        parser.error("--replay needs --runs: what was replayed had a budget in full trainings")
    return options


if __name__ == "__main__":
    main()
