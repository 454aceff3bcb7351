"""Matrix factorisation: one learned vector per row (user), the simplest encoder."""

import torch
from torch import nn

from advisor.task import Model
from profiler.kinds.interactions import Interactions

INIT_STD = 0.01  # the same for every loss; by trial


class Factorisation(nn.Module):
    """A table of row vectors; gradients are sparse, so a step touches the batch's rows only."""

    def __init__(self, n_rows: int, embedding_dim: int) -> None:
        super().__init__()
        if n_rows < 1 or embedding_dim < 1:
            raise ValueError(f"n_rows={n_rows}, embedding_dim={embedding_dim}; at least 1 each")
        self.rows = nn.Embedding(n_rows, embedding_dim, sparse=True)
        nn.init.normal_(self.rows.weight, std=INIT_STD)

    def forward(self, row_ids: torch.Tensor) -> torch.Tensor:
        """hidden[B, D] of row_ids[B]."""
        hidden: torch.Tensor = self.rows(row_ids)
        return hidden


def build(model: Model, dataset: Interactions) -> Factorisation:
    """The encoder at the task's size."""
    return Factorisation(dataset.n_rows, model.embedding_dim)
