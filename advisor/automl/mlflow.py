"""MLflow: a recommendation as a run, with parameters, metrics, curves and the report.

Needs the extra `mlflow`. Where it is written is MLflow's own business: its tracking address.
"""

import importlib
from collections.abc import Iterator
from typing import Any

from advisor.recommendation import RankedCandidate, Recommendation
from advisor.value import Interval

_PARAMETER_CHARACTERS = 500
_METRICS_AT_ONCE = 1000


def log_recommendation(recommendation: Recommendation, report: str | None = None) -> str:
    """Write it as a run, inside the active one if there is one; returns the run's id.

    Parameters: the loss, its settings, the task and the verdict. Metrics: P(best), expected regret
    and gain, per loss what is predicted, and each loss's curve by examples seen (`curve/LOSS`, with
    `.low` and `.high`). Artifacts: recommendation.json, and `report` as report.html where it is
    given (`api.report.render_report` makes it).
    """
    mlflow: Any = importlib.import_module("mlflow")
    entities: Any = importlib.import_module("mlflow.entities")
    is_nested = mlflow.active_run() is not None
    with mlflow.start_run(run_name=recommendation.task.name, nested=is_nested) as run:
        mlflow.log_params(_parameters(recommendation))
        now = mlflow.utils.time.get_current_time_millis()
        found = [entities.Metric(n, v, now, step) for n, v, step in _metrics(recommendation)]
        client, run_id = mlflow.MlflowClient(), str(run.info.run_id)
        for start in range(0, len(found), _METRICS_AT_ONCE):
            client.log_batch(run_id, metrics=found[start : start + _METRICS_AT_ONCE])
        mlflow.log_text(recommendation.model_dump_json(indent=2), "recommendation.json")
        if report is not None:
            mlflow.log_text(report, "report.html")
    return run_id


def _parameters(recommendation: Recommendation) -> dict[str, str]:
    task = recommendation.task
    said = {
        "loss": recommendation.loss,
        **{f"settings.{name}": value for name, value in recommendation.settings.items()},
        "verdict": recommendation.verdict,
        "evidence_level": recommendation.evidence_level,
        "task": task.name,
        "kind": task.kind,
        "metric": task.metric,
        "horizon": task.horizon.model_dump_json(exclude_none=True),
        "recommendation_id": recommendation.id,
        "calibration_id": recommendation.calibration_id,
        "device_id": recommendation.device_id,
    }
    return {k: str(v)[:_PARAMETER_CHARACTERS] for k, v in said.items() if v is not None}


def _metrics(recommendation: Recommendation) -> Iterator[tuple[str, float, int]]:
    """Name, value and step of everything that is a number."""
    yield "p_best", recommendation.p_best, 0
    yield "elapsed_seconds", recommendation.elapsed_seconds, 0
    if recommendation.expected_regret is not None:
        yield "expected_regret", recommendation.expected_regret, 0
    if recommendation.gain_over_baseline is not None:
        yield from _interval("gain_over_baseline", recommendation.gain_over_baseline)
    metric = recommendation.task.metric.replace("@", "_at_")  # MLflow's names have no @
    for entry in recommendation.ranking:
        yield from _of_loss(entry, metric)


def _of_loss(entry: RankedCandidate, metric: str) -> Iterator[tuple[str, float, int]]:
    yield f"p_best/{entry.loss}", entry.p_best, 0
    for name, interval in (
        (metric, entry.predicted_metric),
        ("train_seconds", entry.train_seconds),
    ):
        if interval is not None:
            yield from _interval(f"{name}/{entry.loss}", interval)
    if entry.peak_bytes is not None:
        yield f"peak_bytes/{entry.loss}", float(entry.peak_bytes), 0
    for point in entry.curve:
        of_point = Interval(low=point.low, mean=point.mean, high=point.high)
        yield from _interval(f"curve/{entry.loss}", of_point, point.examples)


def _interval(name: str, interval: Interval, step: int = 0) -> Iterator[tuple[str, float, int]]:
    yield name, interval.mean, step
    yield f"{name}.low", interval.low, step
    yield f"{name}.high", interval.high, step
