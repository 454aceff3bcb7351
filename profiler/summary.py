"""What a task's data holds, counted on the dataset that was made of it."""

import numpy as np

from advisor.summary import DataSummary, PartSize, n_top_classes
from advisor.task import Task
from profiler.dataset import Dataset, Part, PreparedData, open_dataset
from profiler.splits import gini


def summarise_dataset(task: Task, data: PreparedData, notes: tuple[str, ...]) -> DataSummary:
    """Count the prepared dataset of the task; `notes` are those of the reading."""
    dataset = open_dataset(data.dataset_dir, task.model)
    counts = np.sort(dataset.class_counts)[::-1]
    size = dataset.size
    n_positives = round(dataset.n_examples * dataset.targets_per_example)
    train = PartSize(n_rows=size.n_training_rows, n_positives=n_positives)
    return DataSummary(
        task_name=task.name,
        kind=task.kind,
        fingerprint=data.fingerprint,
        n_records=size.n_records,
        n_users=size.n_users,
        n_classes=dataset.n_classes,
        class_gini=gini(counts),
        top_classes_share=float(counts[: n_top_classes(dataset.n_classes)].sum() / counts.sum()),
        n_classes_unseen=int((counts == 0).sum()),
        n_classes_seen_once=int((counts == 1).sum()),
        n_examples=dataset.n_examples,
        positives_per_row=train.n_positives / train.n_rows,
        train=train,
        validation=_size(dataset, "validation"),
        test=_size(dataset, "test"),
        notes=notes,
    )


def _size(dataset: Dataset, part: Part) -> PartSize:
    positives = dataset.evaluation(part).positives
    n_rows = int((np.diff(positives.indptr) > 0).sum())
    return PartSize(n_rows=n_rows, n_positives=len(positives.indices))
