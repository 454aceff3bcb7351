"""Races replayed on the ground truth's curves: hundreds of calibrations judged in minutes.

    python -m benchmarks.replay [--only ml100k ...] [--budgets 60 120 180] [--worlds 6]

A world is a task with a random quarter of its settings left out; a leg's values are read off the
stored curve, with the spread of a seed, and its wall-clock is the probe's step, an evaluation for
each checkpoint and the start of a child. Regret is against the best setting left in the world.
"""

import argparse
import json
import statistics
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from advisor.calibration import Prepared
from advisor.cost import shape_of
from advisor.evidence import Candidate, Device, Leg, LegReport, Measurement, StepCost
from advisor.forecast import SEED_SD
from advisor.pace import START_SECONDS
from advisor.race import Race
from advisor.recommend import recommend
from advisor.recommendation import Recommendation
from advisor.task import DataSource, Horizon, Metric, Task, TaskStatistics, Trade
from benchmarks.ground_truth import CURVES, curves

READ_SECONDS = 5.0  # of a budget: reading, the probe and the answer


def main() -> None:
    options = _options()
    names = options.only or sorted(f.stem for f in CURVES.glob("*.parquet"))
    print(
        f"{'task':18s}{'budget':>7s}{'regret':>8s}{'worst':>8s}{'said':>8s}{'P(best)':>9s}{'hit':>6s}"
        f"{'in 80%':>8s}{'legs':>6s}  chosen"
    )
    rows: list[dict[str, Any]] = []
    for name in names:
        for budget in options.budgets:
            found = [
                World(name, seed).race(budget, options.share) for seed in range(options.worlds)
            ]
            rows += found
            chosen = [r["chosen"] for r in found]
            print(
                f"{name:18s}{budget:7.0f}{_mean(found, 'regret'):8.2%}"
                f"{max(r['regret'] for r in found):8.2%}{_mean(found, 'expected_regret'):8.2%}"
                f"{_mean(found, 'p_best'):9.2f}{_mean(found, 'is_best'):6.2f}"
                f"{_mean(found, 'is_inside'):8.2f}{_mean(found, 'n_legs'):6.0f}  "
                + ", ".join(f"{c} {chosen.count(c)}" for c in sorted(set(chosen))),
                flush=True,
            )
    print(
        f"median regret {statistics.median(r['regret'] for r in rows):.2%}, "
        f"mean {_mean(rows, 'regret'):.2%}"
    )
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


class World:
    """A task of the ground truth with some of its settings."""

    def __init__(self, name: str, seed: int, left_out: float = 0.25) -> None:
        rows, told = curves(name)
        self.metric = Metric.parse(told["task"]["metric"])
        self.name, self.seed = name, seed
        self.statistics = TaskStatistics.model_validate(told["statistics"])
        costs = [StepCost.model_validate(cost) for cost in told["costs"]]
        self.costs = {cost.candidate.key: cost for cost in costs if cost.step_seconds}
        self.curves: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.space: dict[str, tuple[Candidate, ...]] = {}
        generator = np.random.default_rng(seed)
        first = rows.filter((pl.col("seed") == 0) & pl.col("value").is_not_null())
        for (loss, settings), points in first.group_by(["loss", "settings"], maintain_order=True):
            candidate = Candidate(loss=str(loss), settings=json.loads(str(settings)))
            if shape_of(candidate).key not in self.costs:
                continue
            if candidate.loss in self.space and generator.random() < left_out:
                continue
            points = points.sort("examples")
            self.curves[candidate.key] = points["examples"].to_numpy(), points["value"].to_numpy()
            self.space[candidate.loss] = (*self.space.get(candidate.loss, ()), candidate)
        task = Task.model_validate({**told["task"], "data": DataSource(path="x")})
        self.task = task.model_copy(update={"trade": Trade(speed=0.0, memory=0.0)})

    def race(self, budget_seconds: float, share: float = 1.0) -> dict[str, Any]:
        """One calibration, its horizon cut to a share of the truth's, beside the truth."""
        epochs = (self.task.horizon.epochs or 1.0) * share
        self.task = self.task.model_copy(update={"horizon": Horizon(epochs=epochs)})
        device = Device(
            id="replay", name="replay", kind="cpu", n_threads=2, memory_bytes=2**34, software={}
        )
        prepared = Prepared(
            task=self.task,
            task_fingerprint=self.name,
            statistics=self.statistics,
            device=device,
            dataset_dir="",
        )
        costs = list(self.costs.values())
        left = budget_seconds - READ_SECONDS - 0.5 * len(self.space)
        race = Race(prepared, self.space, costs, budget_seconds=left)
        n_legs = 0
        while leg := race.ask(left):
            report = self._report(leg)
            race.tell(report)
            left -= report.wall_seconds
            n_legs += 1
        answer = recommend(self.task, race.profiles(), device, prepared=prepared, costs=costs)
        return {"n_legs": n_legs, "seconds_left": left, **self._judged(answer)}

    def _report(self, leg: Leg) -> LegReport:
        candidate = leg.trial.candidate
        cost = self.costs[shape_of(candidate).key]
        spread = 0.0 if leg.trial.seed == 0 else SEED_SD * self._normal(leg)
        seconds = (leg.until_examples - leg.from_examples) * cost.seconds_per_example
        return LegReport(
            leg=leg,
            outcome="completed",
            measurements=tuple(
                Measurement(examples=e, seconds=0.0, value=self._value(candidate, e) * (1 + spread))
                for e in leg.checkpoints
            ),
            examples=leg.until_examples,
            train_seconds=seconds,
            wall_seconds=START_SECONDS
            + seconds
            + (cost.evaluation_seconds or 0.0) * len(leg.checkpoints),
        )

    def _normal(self, leg: Leg) -> float:
        seed = zlib.crc32(f"{leg.trial.id} {self.seed}".encode())
        return float(np.random.default_rng(seed).standard_normal())

    def _value(self, candidate: Candidate, examples: float) -> float:
        seen, values = self.curves[candidate.key]
        return float(np.interp(np.log(examples), np.log(seen), values))

    def _judged(self, answer: Recommendation) -> dict[str, Any]:
        horizon = self.task.horizon.examples(self.statistics.n_examples, 1e-9)
        best = {
            key: (min if self.metric.falls else max)(
                [v for e, v in zip(*curve, strict=True) if e <= 1.001 * horizon] or [curve[1][0]]
            )
            for key, curve in self.curves.items()
        }
        scores = {key: self.metric.score(value) for key, value in best.items()}
        top = max(scores, key=lambda key: scores[key])
        chosen = Candidate(loss=answer.loss, settings=answer.settings).key
        predicted = answer.ranking[0].predicted_metric
        return {
            "task": self.name,
            "seed": self.seed,
            "chosen": answer.loss,
            "best": top.split()[0],
            "is_best": answer.loss == top.split()[0],
            "regret": self.metric.behind(best[chosen], best[top]),
            "expected_regret": answer.expected_regret or 0.0,
            "p_best": answer.p_best,
            "is_inside": predicted is not None and predicted.low <= best[chosen] <= predicted.high,
            "verdict": answer.verdict,
        }


def _mean(rows: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", help="these tasks")
    parser.add_argument("--budgets", type=float, nargs="+", default=[60, 120, 180])
    parser.add_argument("--worlds", type=int, default=6)
    parser.add_argument("--share", type=float, default=1.0, help="of the truth's horizon")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
