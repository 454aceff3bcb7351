"""The ground truth's curves as profiles: what a store would hold of these tasks."""

import json
from typing import Any

import polars as pl

from advisor.cost import shape_of
from advisor.curve import best_so_far
from advisor.evidence import Candidate, Device, Measurement, Profile, StepCost
from advisor.task import Metric, TaskStatistics
from advisor.value import Interval
from benchmarks.ground_truth import curves


def stored_profiles(name: str) -> list[Profile]:
    """One profile per setting of a task, of its first seed."""
    rows, told = curves(name)
    costs = step_costs(told)
    found: list[Profile] = []
    first = rows.filter((pl.col("seed") == 0) & pl.col("examples").is_not_null())
    for (loss, settings), points in first.group_by(["loss", "settings"], maintain_order=True):
        candidate = Candidate(loss=str(loss), settings=json.loads(str(settings)))
        found.append(_profile(name, told, candidate, points.sort("examples"), costs))
    return found


def step_costs(told: dict[str, Any]) -> dict[str, StepCost]:
    """The probe of each loss by its name: no setting of the grids changes what a step costs."""
    costs = [StepCost.model_validate(cost) for cost in told["costs"]]
    return {cost.candidate.loss: cost for cost in costs if cost.step_seconds}


def probes(costs: dict[str, StepCost], candidates: list[Candidate]) -> list[StepCost]:
    """The same probes as those of the shapes of these candidates."""
    shapes = {shape_of(c).key: shape_of(c) for c in candidates}
    return [costs[s.loss].model_copy(update={"candidate": s}) for s in shapes.values()]


def _profile(
    name: str,
    told: dict[str, Any],
    candidate: Candidate,
    points: pl.DataFrame,
    costs: dict[str, StepCost],
) -> Profile:
    metric = Metric.parse(told["task"]["metric"])
    measured = [
        Measurement(examples=n, seconds=0.0, value=v)
        for n, v in points.select("examples", "value").iter_rows()
    ]
    curve = best_so_far(measured, metric)
    cost = costs[candidate.loss]
    step = cost.step_seconds or Interval(low=0, mean=0, high=0)
    batch_size = told["task"]["training"]["batch_size"]
    factor = batch_size / cost.batch_size
    return Profile(
        task_name=name,
        task_fingerprint=name,
        kind=told["task"]["kind"],
        metric=told["task"]["metric"],
        statistics=TaskStatistics.model_validate(told["statistics"]),
        embedding_dim=told["task"]["model"]["embedding_dim"],
        batch_size=batch_size,
        device=Device.model_validate(told["device"]),
        candidate=candidate,
        n_seeds=1,
        outcome=points["outcome"][0],
        step_seconds=Interval(
            low=step.low * factor, mean=step.mean * factor, high=step.high * factor
        ),
        peak_bytes=cost.peak_bytes,
        final_examples=points["examples"][-1],
        final_value=curve[-1].value if curve else None,
        curve=curve,
    )
