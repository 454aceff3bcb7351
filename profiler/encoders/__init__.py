"""Encoders: what turns a row of the data into the hidden vector that an output layer reads."""

import importlib
from typing import TYPE_CHECKING

from advisor.task import Task

if TYPE_CHECKING:
    from torch import nn

    from profiler.dataset import Dataset


def build_encoder(task: Task, dataset: "Dataset") -> "nn.Module":
    """The encoder of a task's kind; `forward(row_ids[B]) -> hidden[B, D]`."""
    # By name, as the import graph of the service must not lead to torch.
    factorisation = importlib.import_module("profiler.encoders.factorisation")
    return factorisation.Factorisation(dataset.n_rows, task.model.embedding_dim)
