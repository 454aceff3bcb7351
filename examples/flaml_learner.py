"""FLAML: the classifier as a learner of its own, the loss searched within FLAML's time budget.

Handwritten digits. Needs `flaml[automl]`, which is no extra of this project.
"""

import argparse

from flaml import AutoML, tune
from flaml.automl.model import SKLearnEstimator
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from profiler.estimator import SoftmaxFamilyClassifier


class SoftmaxFamily(SKLearnEstimator):
    """What FLAML asks of a learner: a class, and the space of its parameters."""

    def __init__(self, task="multiclass", n_jobs=None, **config):
        super().__init__(task, **config)
        self.estimator_class = SoftmaxFamilyClassifier

    @classmethod
    def search_space(cls, data_size, task, **params):
        return {
            "loss": {"domain": tune.choice(["softmax", "sparsemax", "rg2"]), "init_value": "rg2"},
            "learning_rate": {"domain": tune.loguniform(1e-3, 1e-1), "init_value": 1e-2},
            "max_iter": {
                "domain": tune.lograndint(4, 64),
                "init_value": 8,
                "low_cost_init_value": 4,
            },
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=30, help="seconds of FLAML's search")
    options = parser.parse_args()
    x_train, x_test, y_train, y_test = train_test_split(
        *load_digits(return_X_y=True), random_state=0
    )
    automl = AutoML()
    automl.add_learner("softmax_family", SoftmaxFamily)
    automl.fit(
        x_train,
        y_train,
        task="classification",
        metric="accuracy",
        estimator_list=["softmax_family", "rf"],
        time_budget=options.budget,
        verbose=0,
    )
    print(f"FLAML's best: {automl.best_estimator} {automl.best_config}")
    found = automl.best_config_per_estimator["softmax_family"]
    own = SoftmaxFamilyClassifier(**found, random_state=0).fit(x_train, y_train)
    print(f"the best of ours: {found}, accuracy {own.score(x_test, y_test):.4f} on test")


if __name__ == "__main__":
    main()
