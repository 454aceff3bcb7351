"""A recommendation as an MLflow run, in a real store of files."""

import json
from pathlib import Path

import pytest

from advisor import Task, recommend
from advisor.evidence import Device
from advisor.recommendation import ForecastPoint, Recommendation
from api.report import render_report

mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
from advisor.automl.mlflow import log_recommendation  # noqa: E402 - after the skip

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


@pytest.fixture
def answer() -> Recommendation:
    statistics = {"n_rows": 1000, "n_classes": 300, "n_examples": 20_000}
    fields = {"kind": "description", "metric": "ndcg@20", "statistics": statistics}
    found = recommend(Task.model_validate(fields))
    points = tuple(
        ForecastPoint(examples=e, seconds=e / 100, low=0.1, mean=0.1 + e / 1e4, high=0.3)
        for e in (100, 200, 400)
    )
    first = found.ranking[0].model_copy(update={"curve": points})
    return found.model_copy(update={"ranking": (first, *found.ranking[1:])})


def test_a_run_holds_parameters_metrics_curves_and_the_report(
    answer: Recommendation, tmp_path: Path
) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    mlflow.create_experiment("losses", artifact_location=(tmp_path / "files").as_uri())
    mlflow.set_experiment("losses")
    device = Device(id="d", name="d", kind="cpu", n_threads=1, memory_bytes=1, software={})
    with mlflow.start_run() as training:
        run_id = log_recommendation(answer, render_report(answer, device))
    run = mlflow.get_run(run_id)
    assert run.data.tags["mlflow.parentRunId"] == training.info.run_id
    assert run.data.params["loss"] == answer.loss
    assert run.data.params["settings.learning_rate"] == str(answer.settings["learning_rate"])
    assert run.data.metrics["p_best"] == pytest.approx(answer.p_best)
    leader = answer.ranking[0].loss
    curve = mlflow.MlflowClient().get_metric_history(run_id, f"curve/{leader}")
    assert [p.step for p in curve] == [100, 200, 400]
    assert [p.value for p in curve] == pytest.approx([0.11, 0.12, 0.14])
    files = Path(run.info.artifact_uri.removeprefix("file://"))
    assert json.loads((files / "recommendation.json").read_text())["loss"] == answer.loss
    assert "<html" in (files / "report.html").read_text()
