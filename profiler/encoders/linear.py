"""Features to a hidden vector: one linear map, of dense or of sparse features."""

import torch
from torch import nn

from advisor.task import Model
from profiler.kinds.features import Features

SPARSE_INIT_STD = 0.02  # the same for every loss; by trial, as is the mlp's


class Linear(nn.Module):
    """hidden = W x + b; with sparse features a step touches the features of the batch only."""

    def __init__(
        self,
        n_features: int,
        n_out: int,
        *,
        is_sparse: bool,
        sparse_init_std: float = SPARSE_INIT_STD,
    ) -> None:
        super().__init__()
        self.features = (
            nn.EmbeddingBag(n_features, n_out, mode="sum", sparse=True)
            if is_sparse
            else nn.Linear(n_features, n_out, bias=False)
        )
        std = sparse_init_std if is_sparse else n_features**-0.5
        nn.init.normal_(self.features.weight, std=std)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(
        self,
        x: torch.Tensor,
        offsets: torch.Tensor | None = None,
        values: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """hidden[B, D] of x[B, F]; of sparse rows x is the indices, with offsets[B] and values."""
        if values is None:
            mapped: torch.Tensor = self.features(x)
        else:
            values = values.to(self.bias.dtype)
            mapped = self.features(x, offsets, per_sample_weights=values)
        return mapped + self.bias


def build(model: Model, dataset: Features) -> Linear:
    """The encoder at the task's size."""
    return Linear(dataset.n_features, model.embedding_dim, is_sparse=dataset.is_sparse)
