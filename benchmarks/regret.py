"""Regret of our race and its rivals, replayed on the ground truth's curves.

    python -m benchmarks.regret [--only ml100k ...] [--worlds 20] [--json regret.json]

A world is a task without a random quarter of its settings. Budgets are in full training runs of
softmax, with evaluation and the policy's own seconds charged; what is learnt from stored curves is
learnt from the other tasks. Excess is regret on test above that of the full grid's own validation
pick. Horizons: the truth's, and a tenth of it.
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from advisor.prior import Bank
from benchmarks.ground_truth import CURVES
from benchmarks.policies import Choice, policies
from benchmarks.stored import stored_profiles
from benchmarks.world import World

SHARES = (1.0, 0.1)
BUDGETS = (0.25, 0.5, 1.0, 3.0, 6.0)
WITHOUT_BUDGET = ("prior_alone", "softmax_default", "full_grid", "oracle")
LOOK_AHEAD_MAX = 25.0
_TIED_SHOWN_AT = 0.01

Row = dict[str, Any]


def main() -> None:
    options = _options()
    cells = list(itertools.product(options.only, SHARES, range(options.worlds)))
    with ProcessPoolExecutor(options.processes) as pool:
        asked = [(*cell, options.only, options.policies) for cell in cells]
        rows = [row for found in pool.map(_cell, asked) for row in found]
    summary = list(_summary(rows))
    for share in SHARES:
        _print(share, [s for s in summary if s["horizon"] == share])
    about = _about_ours([r for r in rows if r["policy"] == "ours"])
    print(json.dumps(about, indent=1))
    if options.json:
        told = {"rows": rows, "summary": summary, "ours": about}
        options.json.write_text(json.dumps(told, indent=1) + "\n")


def _cell(asked: tuple[str, float, int, list[str], list[str]]) -> list[Row]:
    """All policies at all budgets in one world."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    name, share, seed, names, wanted = asked
    world, bank = World(name, seed, share), _bank(name, tuple(names))
    rows: list[Row] = []
    for policy, run in policies().items():
        if wanted and policy not in wanted:
            continue
        for budget in BUDGETS[:1] if policy in WITHOUT_BUDGET else BUDGETS:
            choice = run(world, budget * world.run_seconds, bank)
            same = BUDGETS if policy in WITHOUT_BUDGET else (budget,)
            rows += [_row(world, policy, b, choice) for b in same]
    return rows


@lru_cache(maxsize=16)
def _bank(left_out: str, names: tuple[str, ...]) -> Bank:
    return Bank.of(p for name in names if name != left_out for p in stored_profiles(name))


def _row(world: World, policy: str, budget: float, choice: Choice) -> Row:
    validation, test, floor = world.regret(choice.candidate)
    row: Row = {
        "policy": policy,
        "horizon": world.share,
        "budget_runs": budget,
        "grid_share": budget * world.run_seconds / world.grid_seconds,
        "task": world.name,
        "world": world.seed,
        "loss": choice.candidate.loss,
        "regret_validation": validation,
        "regret_test": test,
        "excess": test - floor,
        "loss_hit": world.is_hit(choice.candidate),
    }
    return {**row, **_certainty(world, choice)} if choice.decision else row


def _certainty(world: World, choice: Choice) -> Row:
    """How sure ours said it is, beside the truth."""
    assert choice.decision is not None
    truth, entries = world.true_validation, choice.decision.entries
    best = max(truth, key=lambda key: truth[key]).split()[0]
    inside: list[bool] = []
    for belief in choice.believed:
        reach = belief.examples
        if belief.is_measured and 0 < reach < belief.horizon_examples <= LOOK_AHEAD_MAX * reach:
            interval = belief.metric
            assert interval is not None
            inside.append(interval.low <= truth[belief.candidate.key] <= interval.high)
    top = entries[0].belief
    said = top.metric
    tops = sorted((max(truth[c.key] for c in g) for g in world.space.values()), reverse=True)
    return {
        "p_best": {e.belief.candidate.loss: e.p_best for e in entries},
        "best_loss": best,
        "verdict": choice.decision.verdict,
        "gap": 1 - tops[1] / tops[0] if len(tops) > 1 else 1.0,
        "expected_regret": choice.decision.expected_regret,
        "n_inside": sum(inside),
        "n_intervals": len(inside),
        "pick_inside": said is not None and said.low <= truth[top.candidate.key] <= said.high,
        "pick_measured": top.is_measured,
        "n_asked": choice.n_asked,
        "policy_seconds": choice.policy_seconds,
    }


def _summary(rows: list[Row]) -> Iterator[Row]:
    def cell(row: Row) -> tuple[float, str, float]:
        return row["horizon"], row["policy"], row["budget_runs"]

    for key, group in itertools.groupby(sorted(rows, key=cell), cell):
        found = list(group)
        by_task = {
            task: float(np.mean([r["excess"] for r in found if r["task"] == task]))
            for task in dict.fromkeys(r["task"] for r in found)
        }
        yield {
            "horizon": key[0],
            "policy": key[1],
            "budget_runs": key[2],
            "grid_share": _mean(found, "grid_share"),
            "regret_validation": _mean(found, "regret_validation"),
            "regret_test": _mean(found, "regret_test"),
            "excess": _mean(found, "excess"),
            "excess_median": float(np.median([r["excess"] for r in found])),
            "worst_task": max(by_task, key=lambda task: by_task[task]),
            "excess_worst_task": max(by_task.values()),
            "excess_by_task": by_task,
            "loss_hit": _mean(found, "loss_hit"),
        }


def _about_ours(rows: list[Row]) -> Row:
    """Coverage, calibration and verdicts of ours over all cells."""
    by_task = {
        task: _covered([r for r in rows if r["task"] == task])
        for task in dict.fromkeys(r["task"] for r in rows)
    }
    tied = [r["verdict"] == "tied" for r in rows if r["gap"] > _TIED_SHOWN_AT]
    verdicts = [r["verdict"] for r in rows]
    return {
        "coverage_80": _covered(rows),
        "coverage_80_by_task": by_task,
        "coverage_80_of_the_pick": _mean(rows, "pick_inside"),
        "p_best_calibration_error": _calibration_error(rows),
        "expected_regret": _mean(rows, "expected_regret"),
        "regret_validation": _mean(rows, "regret_validation"),
        "tied_where_the_gap_is_above_1_percent": float(np.mean(tied)) if tied else 0.0,
        "verdicts": {v: verdicts.count(v) / len(rows) for v in sorted(set(verdicts))},
        "policy_seconds_per_ask": sum(r["policy_seconds"] for r in rows)
        / max(1, sum(r["n_asked"] for r in rows)),
    }


def _covered(rows: list[Row]) -> float | None:
    total = sum(r["n_intervals"] for r in rows)
    return sum(r["n_inside"] for r in rows) / total if total else None


def _calibration_error(rows: list[Row], n_bins: int = 10) -> float:
    """Mean distance of P(best) of a loss from how often it was the best, over bins."""
    pairs = [(p, loss == r["best_loss"]) for r in rows for loss, p in r["p_best"].items()]
    said, was = np.array([p for p, _ in pairs]), np.array([w for _, w in pairs])
    bins = np.minimum((said * n_bins).astype(int), n_bins - 1)
    return float(
        sum(
            abs(said[bins == b].mean() - was[bins == b].mean()) * (bins == b).mean()
            for b in set(bins.tolist())
        )
    )


def _mean(rows: list[Row], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def _print(share: float, summary: list[Row]) -> None:
    print(f"excess regret on test (validation) at {share:g} of the horizon, by budget in runs")
    print(f"{'policy':28s}" + "".join(f"{b:>16g}" for b in BUDGETS) + "   worst task at 3")
    for policy in dict.fromkeys(s["policy"] for s in summary):
        mine = {s["budget_runs"]: s for s in summary if s["policy"] == policy}
        cells = "".join(
            f"{mine[b]['excess']:>8.1%} ({mine[b]['regret_validation']:5.1%})" for b in BUDGETS
        )
        worst = mine[3.0]
        print(f"{policy:28s}{cells}   {worst['worst_task']} {worst['excess_worst_task']:.1%}")


def _options() -> argparse.Namespace:
    known = sorted(f.stem for f in CURVES.glob("*.parquet"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=known, choices=known, help="these tasks")
    parser.add_argument("--policies", nargs="+", choices=policies(), help="all if not given")
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
