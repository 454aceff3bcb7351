"""The scikit-learn classifier beside scikit-learn's own, on text with many classes.

    python -m benchmarks.estimator --data DIR [--only wordnet_hypernym] [--rows 5000] [--json FILE]

wordnet_hypernym lies in DIR and is no part of the project; geonames is brought by pip. Every
classifier reads the same TF-IDF, in a child of its own with a limit of time and of memory; what
does not fit is an outcome. Accuracy is on test rows, of which nothing is trained or chosen.
"""

import argparse
import json
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier

from profiler.estimator import SoftmaxFamilyClassifier
from profiler.isolation import ChildFailedError, in_child
from profiler.samples import fetch

LOSSES = ("softmax", "sampled_softmax", "nce", "rg2", "hierarchical_softmax")
TRAIN, TEST = 0, 2


def main() -> None:
    options = _options()
    rows: list[dict[str, Any]] = []
    for name in options.only:
        with tempfile.TemporaryDirectory(prefix="estimator-") as folder:
            shape = _write(name, Path(folder), options)
            print(f"{name}: {shape}")
            print(f"  {'classifier':46s}{'accuracy':>9s}{'fit s':>9s}{'predict s':>10s}{'GiB':>7s}")
            for classifier in _names(options):
                rows.append({"task": name, **shape, **_measured(classifier, folder, options)})
                _print(rows[-1])
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


def _names(options: argparse.Namespace) -> list[str]:
    ours = [f"SoftmaxFamilyClassifier {loss}" for loss in (*options.losses, "advised")]
    return ["SGDClassifier", "LogisticRegression", "MLPClassifier", *ours]


def _measured(classifier: str, folder: str, options: argparse.Namespace) -> dict[str, Any]:
    arguments = {
        "classifier": classifier,
        "folder": folder,
        "epochs": options.epochs,
        "budget": options.budget,
    }
    if classifier.endswith("advised"):  # it has children of its own, which a child may not have
        (found,) = fit_in_child(**arguments)
        return {"classifier": classifier, "outcome": "completed", **found}
    try:
        (found,) = in_child(
            "benchmarks.estimator:fit_in_child",
            arguments,
            time_limit_seconds=options.seconds,
            memory_limit_bytes=options.gib * 2**30,
        )
    except ChildFailedError as error:
        if error.outcome == "failed":
            raise
        return {"classifier": classifier, "outcome": error.outcome}
    return {"classifier": classifier, "outcome": "completed", **found}


def fit_in_child(
    classifier: str, folder: str, epochs: int, budget: float
) -> Iterator[dict[str, Any]]:
    """Yield what fitting one classifier took and gave."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # the epochs are the same for all
    where = Path(folder)
    x = {part: sparse.load_npz(where / f"x_{part}.npz") for part in ("train", "test")}
    y = {part: np.load(where / f"y_{part}.npy") for part in ("train", "test")}
    model = _made(classifier, epochs, budget)
    started = time.perf_counter()
    model.fit(x["train"], y["train"])
    fitted = time.perf_counter()
    accuracy = float(np.mean(model.predict(x["test"]) == y["test"]))
    yield {
        "accuracy": accuracy,
        "fit_seconds": fitted - started,
        "predict_seconds": time.perf_counter() - fitted,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "loss": getattr(model, "loss_", None) if "Softmax" in classifier else None,
        "settings": getattr(model, "settings_", None),
        "epochs": int(np.max(model.n_iter_)),
    }


def _made(classifier: str, epochs: int, budget: float) -> Any:
    name, _, loss = classifier.partition(" ")
    made: dict[str, Callable[[], Any]] = {
        "SGDClassifier": lambda: SGDClassifier(
            loss="log_loss", alpha=1e-6, max_iter=epochs, tol=1e-3, random_state=0
        ),
        "LogisticRegression": lambda: LogisticRegression(C=100.0, max_iter=epochs),
        "MLPClassifier": lambda: MLPClassifier(
            (64,), early_stopping=True, max_iter=epochs, n_iter_no_change=5, random_state=0
        ),
        "SoftmaxFamilyClassifier": lambda: SoftmaxFamilyClassifier(
            loss,
            early_stopping=True,
            max_iter=epochs,
            budget_seconds=budget,
            random_state=0,
        ),
    }
    return made[name]()


def _write(name: str, folder: Path, options: argparse.Namespace) -> dict[str, int]:
    """Write the features and classes of a task; returns its sizes."""
    frame = _wordnet(options.data) if name == "wordnet_hypernym" else _geonames(folder)
    if options.classes:
        common = frame["label"].value_counts(sort=True)["label"].head(options.classes)
        frame = frame.filter(pl.col("label").is_in(common.implode()))
    train, test = (frame.filter(pl.col("split") == part) for part in (TRAIN, TEST))
    if options.rows:
        train = train.sample(min(options.rows, len(train)), seed=0)
        test = test.sample(min(options.rows, len(test)), seed=0)
    words = name == "wordnet_hypernym"
    vectors = TfidfVectorizer(
        sublinear_tf=True,
        min_df=2,
        dtype=np.float32,
        **({} if words else {"analyzer": "char_wb", "ngram_range": (1, 4)}),
    )
    sparse.save_npz(folder / "x_train.npz", vectors.fit_transform(train["text"].to_list()))
    sparse.save_npz(folder / "x_test.npz", vectors.transform(test["text"].to_list()))
    codes = {label: code for code, label in enumerate(train["label"].unique().sort())}
    for part, rows in (("train", train), ("test", test)):
        np.save(folder / f"y_{part}.npy", [codes.get(label, -1) for label in rows["label"]])
    return {
        "n_train": len(train),
        "n_test": len(test),
        "n_features": len(vectors.vocabulary_),
        "n_classes": len(codes),
    }


def _wordnet(data: Path | None) -> pl.DataFrame:
    if data is None:
        raise SystemExit("--data: name the folder that holds wordnet_hypernym.parquet")
    frame = pl.read_parquet(data / "wordnet_hypernym.parquet")
    return frame.select("text", pl.col("label").cast(pl.String), "split")


def _geonames(folder: Path) -> pl.DataFrame:
    """A tenth of the cities for testing, at random."""
    frame = pl.read_csv(fetch("geonames", folder)).rename({"name": "text", "region": "label"})
    is_test = np.random.default_rng(0).random(len(frame)) < 0.1
    return frame.select("text", "label").with_columns(
        split=pl.Series(np.where(is_test, TEST, TRAIN))
    )


def _print(row: dict[str, Any]) -> None:
    if row["outcome"] != "completed":
        print(f"  {row['classifier']:46s}{row['outcome']}", flush=True)
        return
    said = f"  {row['loss']}" if row["classifier"].endswith("advised") else ""
    print(
        f"  {row['classifier']:46s}{row['accuracy']:9.4f}{row['fit_seconds']:9.1f}"
        f"{row['predict_seconds']:10.2f}{row['peak_bytes'] / 2**30:7.2f}{said}",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with wordnet_hypernym.parquet")
    parser.add_argument("--only", nargs="+", default=["wordnet_hypernym", "geonames"])
    parser.add_argument("--rows", type=int, help="at most so many, to train and to test on each")
    parser.add_argument("--classes", type=int, help="only the most frequent ones")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--losses", nargs="+", default=LOSSES)
    parser.add_argument("--budget", type=float, default=120, help="of the calibration, in seconds")
    parser.add_argument("--seconds", type=float, default=1800, help="limit of one classifier")
    parser.add_argument("--gib", type=float, default=12, help="memory limit of one classifier")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
