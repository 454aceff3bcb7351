"""Encoders: what turns the inputs of a batch into the hidden vectors that an output layer reads."""

import importlib
from typing import TYPE_CHECKING

from advisor.task import Task

if TYPE_CHECKING:
    from torch import nn

    from profiler.dataset import Dataset

_OF_KIND = {
    "interactions": "factorisation",
    "sequences": "transformer",
    "text": "transformer",
    "embeddings": "given",
    "description": "factorisation",
}


def build_encoder(task: Task, dataset: "Dataset") -> "nn.Module":
    """The encoder of a task's kind; `forward(*inputs) -> hidden[R, D]`, one row per target."""
    # By name, as the import graph of the service must not lead to torch.
    name = _OF_KIND.get(task.kind, task.model.encoder)
    module = importlib.import_module(f"profiler.encoders.{name}")
    encoder: nn.Module = module.build(task.model, dataset)
    return encoder
