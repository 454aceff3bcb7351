"""Optuna studies replayed on the ground truth's curves: seconds until 99% of the best metric.

    python -m benchmarks.optuna_study [--only ml100k ...] [--seeds 10] [--json optuna.json]

Every study has the same space, objective and sampler (TPE as it comes). Optuna's own pruners start
from nothing. Ours begins with a recommendation, from theory, from the profiles of the other tasks,
or from a calibration whose seconds count, and is pruned by the forecast. A training's values are
read off the stored curve of the nearest setting, and its seconds are the probe's, with an
evaluation at each checkpoint and the start of a trial.
"""

import argparse
import json
import math
import statistics
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from advisor.automl.optuna import HorizonPruner, enqueue, suggest
from advisor.calibration import Prepared
from advisor.evidence import Candidate, Device, Profile
from advisor.pace import START_SECONDS
from advisor.race import Race
from advisor.recommend import recommend
from advisor.recommendation import Recommendation
from benchmarks.ground_truth import CURVES
from benchmarks.stored import probes, stored_profiles
from benchmarks.world import WHOLE, World

SHARE_OF_BEST = 0.99
READ_SECONDS = 5.0  # of a calibration: its data
PROBE_SECONDS = 0.5  # of each loss, before a calibration
DEVICE = Device(id="replay", name="replay", kind="cpu", n_threads=2, memory_bytes=1, software={})
Pruner = Callable[[], optuna.pruners.BasePruner]
OWN_PRUNERS: dict[str, Pruner] = {
    "nop": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "percentile": lambda: optuna.pruners.PercentilePruner(25.0),
    "halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}


def main() -> None:
    options = _options()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    names = options.only or sorted(f.stem for f in CURVES.glob("*.parquet"))
    rows: list[dict[str, Any]] = []
    for name in names:
        found = _of_task(name, options)
        rows += found
        _print(name, found)
    if options.json:
        said = [r | {"seconds": r["seconds"] if r["seconds"] < math.inf else None} for r in rows]
        options.json.write_text(json.dumps({"rows": said}, indent=1) + "\n")


@dataclass
class Clock:
    """Seconds of a study on its device."""

    seconds: float = 0.0


class Trainer:
    """Trains what a study asks for, by reading it off the stored curves."""

    def __init__(self, world: World, recommendation: Recommendation, clock: Clock) -> None:
        self.world, self.recommendation, self.clock = world, recommendation, clock
        self.is_there = False
        self.target = SHARE_OF_BEST * max(s[0].best[-1] for s in world.truths.values())
        # As long as every setting once: by then a plain grid has found it.
        self.seconds_max = world.grid_seconds

    def __call__(self, trial: optuna.Trial) -> float:
        """The best value of one training; the study stops where the target is reached."""
        metric = self.world.metric
        candidate = self._nearest(suggest(trial, self.recommendation))
        cost, truth = self.world.costs[candidate.loss], self.world.truths[candidate.key][0]
        self.clock.seconds += START_SECONDS
        before, best = 0, -math.inf
        for examples, score in zip(truth.examples.tolist(), truth.scores.tolist(), strict=True):
            self.clock.seconds += (examples - before) * cost.seconds_per_example
            self.clock.seconds += cost.evaluation_seconds or 0.0
            before, best = examples, max(best, score)
            trial.report(metric.value(score), int(examples))
            self.is_there = best >= self.target
            if self.is_there or self.clock.seconds > self.seconds_max:
                trial.study.stop()
                break
            if trial.should_prune():
                raise optuna.TrialPruned
        return metric.value(best)

    def _nearest(self, asked: Candidate) -> Candidate:
        """The stored setting of the same loss that is nearest, numbers by their ratio."""
        return min(self.world.space[asked.loss], key=lambda known: _distance(asked, known))


def _distance(one: Candidate, other: Candidate) -> float:
    return sum(_apart(value, other.settings[name]) for name, value in one.settings.items())


def _apart(a: Any, b: Any) -> float:
    if a == b:
        return 0.0
    if isinstance(a, int | float) and isinstance(b, int | float) and a > 0 and b > 0:
        return abs(math.log(a / b))
    return 10.0


def _study(
    world: World,
    recommendation: Recommendation,
    pruner: optuna.pruners.BasePruner,
    seed: int,
    *,
    is_warm: bool,
    spent: float = 0.0,
) -> dict[str, Any]:
    clock = Clock(spent)
    study = optuna.create_study(
        study_name=f"{world.name} {seed}",  # by which Hyperband chooses brackets
        direction="minimize" if world.metric.falls else "maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=pruner,
    )
    if is_warm:
        enqueue(study, recommendation)
    trainer = Trainer(world, recommendation, clock)
    study.optimize(trainer)
    return {
        "seed": seed,
        "seconds": clock.seconds if trainer.is_there else math.inf,
        "n_trials": len(study.trials),
    }


def _whole_world(name: str) -> World:
    """All settings of the ground truth, and no loss beside them."""
    world = World(name, seed=WHOLE)
    selection = world.task.losses.model_copy(update={"include": tuple(world.space)})
    world.task = world.task.model_copy(update={"losses": selection})
    return world


def _of_task(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    world = _whole_world(name)
    others = [n for n in (f.stem for f in CURVES.glob("*.parquet")) if n != name]
    prepared = _prepared(world)
    theory = recommend(world.task, (), DEVICE, prepared=prepared)
    rows = []
    for seed in range(options.seeds):
        for pruner, make in OWN_PRUNERS.items():
            found = _study(world, theory, make(), seed, is_warm=False)
            rows.append({"task": name, "by": f"optuna {pruner}", **found})
        for warm in options.warm:
            if warm == "prior" and not others:
                continue
            answer, spent = _recommendation(warm, world, others, options.budget, seed)
            pruner = HorizonPruner(world.horizon, str(world.metric), options.least_chance)
            found = _study(world, answer, pruner, seed, is_warm=True, spent=spent)
            rows.append({"task": name, "by": f"ours {warm}", **found})
    return rows


def _recommendation(
    warm: str, world: World, others: Sequence[str], budget: float, seed: int
) -> tuple[Recommendation, float]:
    """What the study begins with, and the seconds that it took."""
    prepared, costs = _prepared(world), probes(world.costs, world.candidates)
    if warm == "theory":
        return recommend(world.task, (), DEVICE, prepared=prepared), 0.0
    if warm == "prior":
        known = [p for other in others for p in stored_profiles(other)]
        return recommend(world.task, known, DEVICE, prepared=prepared), 0.0
    profiles, spent = _raced(world, budget, seed)
    return recommend(world.task, profiles, DEVICE, prepared=prepared, costs=costs), spent


def _raced(world: World, budget: float, seed: int) -> tuple[tuple[Profile, ...], float]:
    """The profiles of one calibration, and the seconds that it used."""
    overhead = READ_SECONDS + PROBE_SECONDS * len(world.space)
    left = budget - overhead
    costs = probes(world.costs, world.candidates)
    race = Race(_prepared(world), world.space, costs, budget_seconds=left, seed=seed)
    while leg := race.ask(left):
        report = world.report(leg)
        race.tell(report)
        left -= report.wall_seconds
    return race.profiles(), budget - left


def _prepared(world: World) -> Prepared:
    return Prepared(
        task=world.task,
        task_fingerprint=world.name,
        statistics=world.statistics,
        device=DEVICE,
        dataset_dir="",
    )


def _print(name: str, rows: Sequence[dict[str, Any]]) -> None:
    print(f"{name:18s}{'median s':>10s}{'worst s':>10s}{'reached':>8s}{'trials':>8s}{'ratio':>7s}")
    median = {
        by: statistics.median(r["seconds"] for r in rows if r["by"] == by)
        for by in dict.fromkeys(r["by"] for r in rows)
    }
    best_own = min(seconds for by, seconds in median.items() if by.startswith("optuna"))
    for by, seconds in median.items():
        mine = [r for r in rows if r["by"] == by]
        print(
            f"  {by:16s}{seconds:10.1f}{max(r['seconds'] for r in mine):10.1f}"
            f"{float(np.mean([math.isfinite(r['seconds']) for r in mine])):8.2f}"
            f"{float(np.mean([r['n_trials'] for r in mine])):8.1f}{seconds / best_own:7.2f}",
            flush=True,
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", help="these tasks")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--warm", nargs="+", default=["theory", "prior", "measured"])
    parser.add_argument("--budget", type=float, default=40, help="seconds of the calibration")
    parser.add_argument("--least-chance", type=float, default=0.1, help="of the pruner")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
