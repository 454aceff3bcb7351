"""Features to a hidden vector through one hidden layer."""

import torch
from torch import nn

from advisor.task import Model
from profiler.encoders.linear import Linear
from profiler.kinds.features import Features

SPARSE_INIT_STD = 0.2  # so that what the ReLU reads is not near 0 at the start


class Mlp(nn.Module):
    """A linear map, ReLU, dropout, and another linear map."""

    def __init__(self, first: Linear, model: Model) -> None:
        super().__init__()
        self.first = first
        self.dropout = nn.Dropout(model.dropout)
        self.second = nn.Linear(model.hidden_units, model.embedding_dim)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """hidden[B, D] of the inputs of `Linear`."""
        hidden: torch.Tensor = self.second(self.dropout(torch.relu(self.first(*inputs))))
        return hidden


def build(model: Model, dataset: Features) -> Mlp:
    """The encoder at the task's size."""
    first = Linear(
        dataset.n_features,
        model.hidden_units,
        is_sparse=dataset.is_sparse,
        sparse_init_std=SPARSE_INIT_STD,
    )
    return Mlp(first, model)
