"""Optuna studies replayed on the ground truth's curves: seconds until 99% of the best metric.

    python -m benchmarks.optuna_study [--only ml100k ...] [--seeds 10] [--json optuna.json]

Every study has the same space, objective and sampler (TPE as it comes). Optuna's own pruners start
from nothing. Ours begins with a recommendation, from theory, from the profiles of the other tasks,
or from these and a calibration whose seconds count, and is pruned by the forecast. A training's
values are read off the stored curve of the nearest setting, and its seconds are the probe's, with
an evaluation at each checkpoint and the start of a trial.
With real training: `optuna_real.py`.
"""

import argparse
import json
import math
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna

from advisor.automl.optuna import HorizonPruner, enqueue, suggest
from advisor.automl.outlook import Outlook
from advisor.automl.space import apart
from advisor.calibration import Prepared
from advisor.evidence import Candidate, Device, Profile
from advisor.pace import START_SECONDS
from advisor.prior import Bank
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
_BEGUN = tuple(s for s in optuna.trial.TrialState if s != optuna.trial.TrialState.WAITING)
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


class Course(Protocol):
    """Trainings of one study."""

    @property
    def seconds(self) -> float:
        """That the study has taken so far."""
        ...

    def points(self, candidate: Candidate) -> Iterator[tuple[int, float]]:
        """Examples seen and score, checkpoint by checkpoint to the horizon."""
        ...


class Replay:
    """Trainings read off the stored curves, seconds counted with them."""

    def __init__(self, world: World, spent: float) -> None:
        self._world, self.seconds = world, spent

    def points(self, candidate: Candidate) -> Iterator[tuple[int, float]]:
        known = min(self._world.space[candidate.loss], key=lambda known: apart(candidate, known))
        cost, truth = self._world.costs[known.loss], self._world.truths[known.key][0]
        self.seconds += START_SECONDS
        before = 0
        for examples, score in zip(truth.examples.tolist(), truth.scores.tolist(), strict=True):
            if examples > 1.001 * self._world.horizon:
                return
            self.seconds += (examples - before) * cost.seconds_per_example
            self.seconds += cost.evaluation_seconds or 0.0
            before = examples
            yield int(examples), score


class Trainer:
    """The objective of a study, which stops where the target is reached."""

    def __init__(
        self,
        world: World,
        recommendation: Recommendation,
        course: Course,
        seconds_max: float | None = None,
    ) -> None:
        """The target is that of the stored curves; with `seconds_max` there is none."""
        self._world, self._recommendation, self._course = world, recommendation, course
        self.is_there = False
        best = max(seeds[0].at(world.horizon)[0] for seeds in world.truths.values())
        self._target = math.inf if seconds_max else SHARE_OF_BEST * best
        # As long as every setting once: by then a plain grid has found it.
        self._seconds_max = seconds_max or world.grid_seconds

    def __call__(self, trial: optuna.Trial) -> float:
        """The best value of one training."""
        metric, best = self._world.metric, -math.inf
        for examples, score in self._course.points(suggest(trial, self._recommendation)):
            best = max(best, score)
            trial.report(metric.value(score), examples)
            self.is_there = best >= self._target
            if self.is_there or self._course.seconds > self._seconds_max:
                trial.study.stop()
                break
            if trial.should_prune():
                raise optuna.TrialPruned
        if not math.isfinite(best):
            raise optuna.TrialPruned("it diverged before its first checkpoint")
        return metric.value(best)


def study(
    world: World,
    recommendation: Recommendation,
    pruner: optuna.pruners.BasePruner,
    seed: int,
    course: Course,
    outlook: Outlook | None = None,
    seconds_max: float | None = None,
    queue: int | None = None,
) -> dict[str, Any]:
    """One study to the target.

    With an outlook it begins with what is expected to be best: the first `queue` settings, or all.
    """
    study = optuna.create_study(
        study_name=f"{world.name} {seed}",  # by which Hyperband chooses brackets
        direction="minimize" if world.metric.falls else "maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=pruner,
    )
    if outlook is not None:
        enqueue(study, recommendation, queue, outlook)
    trainer = Trainer(world, recommendation, course, seconds_max)
    study.optimize(trainer)
    return {
        "seed": seed,
        "seconds": course.seconds if trainer.is_there else math.inf,
        "n_trials": len(study.get_trials(states=_BEGUN)),
    }


def whole_world(name: str, share: float) -> World:
    """All settings of the ground truth, and no loss beside them."""
    world = World(name, seed=WHOLE, share=share)
    selection = world.task.losses.model_copy(update={"include": tuple(world.space)})
    world.task = world.task.model_copy(update={"losses": selection})
    return world


def others_than(name: str) -> list[Profile]:
    """What is stored of the other tasks."""
    names = sorted(f.stem for f in CURVES.glob("*.parquet") if f.stem != name)
    return [profile for other in names for profile in stored_profiles(other)]


def by_theory(world: World) -> Recommendation:
    return recommend(world.task, (), DEVICE, prepared=_prepared(world))


def ours(
    world: World, answer: Recommendation, profiles: Sequence[Profile], least_chance: float
) -> tuple[HorizonPruner, Outlook]:
    """Our pruner and where the study begins."""
    outlook = Outlook(answer, profiles)
    informed = outlook if profiles else None
    return HorizonPruner(world.horizon, str(world.metric), least_chance, informed), outlook


def _of_task(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    world, others = whole_world(name, options.share), others_than(name)
    theory = by_theory(world)
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        for pruner in options.own:
            found = study(world, theory, OWN_PRUNERS[pruner](), seed, Replay(world, 0.0))
            rows.append({"task": name, "by": f"optuna {pruner}", **found})
        for warm in options.warm:
            profiles, spent = _known(warm, world, others, options.budget, seed)
            costs = probes(world.costs, world.candidates) if warm == "measured" else ()
            answer = recommend(world.task, profiles, DEVICE, prepared=_prepared(world), costs=costs)
            pruner, outlook = ours(world, answer, profiles, options.least_chance)
            found = study(
                world, answer, pruner, seed, Replay(world, spent), outlook, queue=options.queue
            )
            rows.append({"task": name, "by": f"ours {warm}", **found})
    return rows


def _known(
    warm: str, world: World, others: Sequence[Profile], budget: float, seed: int
) -> tuple[Sequence[Profile], float]:
    """The profiles that the study begins with, and the seconds that they took."""
    if warm == "theory":
        return (), 0.0
    if warm == "prior":
        return others, 0.0
    raced, spent = _raced(world, others, budget, seed)
    return (*raced, *others), spent


def _raced(
    world: World, others: Sequence[Profile], budget: float, seed: int
) -> tuple[tuple[Profile, ...], float]:
    """The profiles of one calibration, and the seconds that it used."""
    overhead = READ_SECONDS + PROBE_SECONDS * len(world.space)
    left = budget - overhead
    costs = probes(world.costs, world.candidates)
    bank = Bank.of(others)
    race = Race(_prepared(world), world.space, costs, budget_seconds=left, seed=seed, bank=bank)
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
    parser.add_argument("--own", nargs="+", choices=OWN_PRUNERS, default=list(OWN_PRUNERS))
    parser.add_argument("--warm", nargs="+", default=["theory", "prior", "measured"])
    parser.add_argument("--budget", type=float, default=40, help="seconds of the calibration")
    parser.add_argument("--least-chance", type=float, default=0.1, help="of the pruner")
    parser.add_argument("--queue", type=int, help="settings that ours begins with, else all")
    parser.add_argument("--share", type=float, default=1.0, help="of the horizon")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
