"""Optuna: a study over losses and their settings that begins with what is recommended and is pruned
by our forecast. Handwritten digits; needs the extra `optuna`.
"""

import argparse

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from advisor import Task, recommend
from advisor.automl.optuna import HorizonPruner, enqueue, suggest
from advisor.automl.outlook import Outlook
from advisor.shipped import shipped_bank
from profiler.estimator import SoftmaxFamilyClassifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--storage", help="Optuna's, e.g. sqlite:///study.db; else in memory")
    options = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    x_train, x_valid, y_train, y_valid = train_test_split(x, y, random_state=0)
    task = Task.model_validate(
        {
            "kind": "description",
            "metric": "accuracy",
            "statistics": {"n_rows": len(y_train), "n_classes": 10, "n_examples": len(y_train)},
            "horizon": {"epochs": options.epochs},
        }
    )
    answer = recommend(task, bank=shipped_bank())  # or what a calibration answered
    outlook = Outlook(answer, bank=shipped_bank())

    def objective(trial: optuna.Trial) -> float:
        chosen = suggest(trial, answer)
        classifier = SoftmaxFamilyClassifier(
            chosen.loss, loss_settings=chosen.settings, batch_size=64, random_state=0
        )
        best = 0.0
        for epoch in range(1, options.epochs + 1):
            classifier.partial_fit(x_train, y_train, classes=range(10))
            accuracy = classifier.score(x_valid, y_valid)
            best = max(best, accuracy)
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return best

    study = optuna.create_study(
        study_name="digits",
        storage=options.storage,
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=HorizonPruner(options.epochs, "accuracy", outlook=outlook),
    )
    enqueue(study, answer, 15, outlook)
    study.optimize(objective, n_trials=options.trials)
    pruned = study.get_trials(states=(optuna.trial.TrialState.PRUNED,))
    print(f"{len(study.trials)} trials, {len(pruned)} pruned")
    print(f"best accuracy {study.best_value:.4f} with {study.best_params}")


if __name__ == "__main__":
    main()
