"""A recommendation in Ray Tune: one real local run."""

from pathlib import Path

import pytest

from advisor import Task, recommend

pytest.importorskip("ray.tune", reason="the extra ray is not installed", exc_type=ImportError)
from advisor.automl.ray import chosen, points_to_evaluate, search_space

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own


def test_a_local_run_begins_with_what_is_recommended_and_stays_in_the_space(
    tmp_path: Path,
) -> None:
    import ray
    from ray import tune
    from ray.tune.search.basic_variant import BasicVariantGenerator

    statistics = {"n_rows": 1000, "n_classes": 300, "n_examples": 20_000}
    fields = {"kind": "description", "metric": "ndcg@20", "statistics": statistics}
    answer = recommend(Task.model_validate(fields))

    def objective(config: dict) -> None:
        candidate = chosen(config, answer)
        tune.report({"rate": candidate.settings["learning_rate"], "loss_name": candidate.loss})

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        results = tune.Tuner(
            objective,
            param_space=search_space(answer),
            tune_config=tune.TuneConfig(
                num_samples=6,
                max_concurrent_trials=1,
                search_alg=BasicVariantGenerator(
                    points_to_evaluate=points_to_evaluate(answer, 3), random_state=0
                ),
            ),
            run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
        ).fit()
    finally:
        ray.shutdown()
    assert not results.errors
    names = [result.metrics["loss_name"] for result in results]
    assert names[:3] == [entry.loss for entry in answer.ranking[:3]]
    assert len(names) == 6
    assert results[0].metrics["rate"] == answer.settings["learning_rate"]
