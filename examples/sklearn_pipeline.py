"""scikit-learn: which module of Python's standard library does a line of source come from?

A text pipeline whose loss is searched like any other parameter, and one whose loss is advised by a
calibration on the training rows. Needs nothing but this project.
"""

import argparse
import random
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from profiler.estimator import SoftmaxFamilyClassifier


def lines_of_the_standard_library(n_modules: int, n_lines: int) -> tuple[list[str], list[str]]:
    """Lines of at least 20 characters, and the modules they are from; the larger modules first."""
    files = sorted(Path(random.__file__).parent.glob("[a-z]*.py"), key=lambda f: -f.stat().st_size)
    texts, modules = [], []
    for file in files[:n_modules]:
        lines = {line.strip() for line in file.read_text(encoding="utf-8").splitlines()}
        long_ones = sorted(line for line in lines if len(line) >= 20)
        chosen = random.Random(0).sample(long_ones, min(n_lines, len(long_ones)))
        texts += chosen
        modules += [file.stem] * len(chosen)
    return texts, modules


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=int, default=60)
    parser.add_argument("--lines", type=int, default=200, help="of each module at most")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--budget", type=float, default=30, help="seconds of the calibration")
    options = parser.parse_args()
    rows = lines_of_the_standard_library(options.modules, options.lines)
    x_train, x_test, y_train, y_test = train_test_split(*rows, random_state=0, stratify=rows[1])

    def pipeline(loss: str):
        classifier = SoftmaxFamilyClassifier(
            loss, max_iter=options.epochs, budget_seconds=options.budget, random_state=0
        )
        return make_pipeline(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)), classifier)

    losses = {"softmaxfamilyclassifier__loss": ["softmax", "sparsemax", "rg2"]}
    search = GridSearchCV(pipeline("softmax"), losses, cv=2).fit(x_train, y_train)
    for loss, accuracy in zip(
        losses["softmaxfamilyclassifier__loss"], search.cv_results_["mean_test_score"], strict=True
    ):
        print(f"{loss:12s} accuracy {accuracy:.3f} in cross-validation")
    advised = pipeline("advised").fit(x_train, y_train)
    classifier = advised[-1]
    print(f"advised: {classifier.loss_} {classifier.settings_}")
    print(f"accuracy on test: {search.score(x_test, y_test):.3f} searched, "
          f"{advised.score(x_test, y_test):.3f} advised")  # fmt: skip


if __name__ == "__main__":
    main()
