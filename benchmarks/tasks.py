"""The eight tasks of the ground truth: real data, one of each kind at least, three of over 10,000
classes. Horizons are such that a grid takes at most 40 minutes of training seconds on one core.
"""

from pathlib import Path

from advisor.task import Columns, DataSource, Horizon, Model, Task, Training


def tasks(data_dir: Path) -> dict[str, Task]:
    """Every task by name; the files of `data_dir` are not part of the project."""
    return {task.name: task for task in _all(data_dir)}


def _all(data_dir: Path) -> list[Task]:
    def source(file: str, **how: object) -> DataSource:
        return DataSource.model_validate({"path": str((data_dir / file).resolve()), **how})

    has_parquet = (data_dir / "ml100k.parquet").exists()
    ml100k = "ml100k.parquet" if has_parquet else "ml-100k.inter"  # as the sample brings it
    timed = Columns(user="user", item="item", time="timestamp")
    split = Columns(split="split")
    return [
        Task(
            name="ml100k",
            data=source(ml100k),
            metric="ndcg@20",
            horizon=Horizon(epochs=20),
        ),
        Task(
            name="amazon_toys",
            data=source("amazon_toys_5core.parquet", columns=timed),
            metric="ndcg@20",
            horizon=Horizon(epochs=6),
        ),
        Task(
            name="lastfm",
            kind="sequences",
            data=source("lastfm_s3rec.parquet", columns=timed),
            metric="ndcg@10",
            model=Model(sequence_length=50),
            training=Training(batch_size=32),
            horizon=Horizon(epochs=6),
        ),
        Task(
            name="amazon_beauty",
            kind="sequences",
            data=source("amazon_beauty_5core.parquet", columns=timed),
            metric="ndcg@10",
            model=Model(sequence_length=20),
            training=Training(batch_size=128),
            horizon=Horizon(epochs=2),
        ),
        Task(
            name="tinyshakespeare",
            kind="text",
            data=source("tinyshakespeare.parquet", columns=split),
            model=Model(sequence_length=32),
            training=Training(batch_size=16),
            metric="mrr",
            horizon=Horizon(epochs=2),
        ),
        Task(
            name="brown",
            kind="text",
            data=source("brown.parquet", columns=split),
            model=Model(sequence_length=32),
            training=Training(batch_size=16),
            metric="mrr",
            horizon=Horizon(epochs=0.15),
        ),
        Task(
            name="wordnet_hypernym",
            kind="features",
            data=source("wordnet_hypernym.parquet", columns=split),
            metric="accuracy",
            training=Training(batch_size=256),
            horizon=Horizon(epochs=8),
        ),
        Task(
            name="bibtex",
            kind="multilabel",
            data=source("bibtex_multilabel.npz"),
            metric="precision@5",
            training=Training(batch_size=64),
            horizon=Horizon(epochs=30),
        ),
    ]
