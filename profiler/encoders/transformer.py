"""A causal transformer over items or tokens: what SASRec and a small language model share."""

import torch
from torch import nn
from torch.nn import functional as F

from advisor.task import Model
from profiler.dataset import Dataset

INIT_STD = 0.02


class Transformer(nn.Module):
    """Embedding and position, then pre-norm blocks of causal attention and a two-layer network.

    Sequences are padded at their end, so no real position sees the padding; hidden vectors are
    returned for the real positions only. Source: Kang & McAuley 2018 (SASRec), with the norm in
    front of each part as in Xiong et al. 2020.
    """

    def __init__(self, n_tokens: int, model: Model) -> None:
        super().__init__()
        dim = model.embedding_dim
        if dim % model.n_heads:
            raise ValueError(f"embedding_dim {dim} is not a multiple of n_heads {model.n_heads}")
        self.tokens = nn.Embedding(n_tokens, dim, sparse=True)
        self.positions = nn.Parameter(torch.empty(model.sequence_length, dim))
        self.blocks = nn.ModuleList(_Block(dim, model) for _ in range(model.n_layers))
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(model.dropout)
        for weight in (self.tokens.weight, self.positions):
            nn.init.normal_(weight, std=INIT_STD)

    def forward(self, tokens: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """hidden[R, D] at the places `keep`[R] of the flattened tokens[B, L], L at most its length.

        A hidden vector at a place has seen that token and those before it in its row.
        """
        hidden = self.tokens(tokens) + self.positions[: tokens.shape[1]]
        hidden = self.dropout(hidden)
        for block in self.blocks:
            hidden = block(hidden)
        kept: torch.Tensor = self.norm(hidden.flatten(0, 1).index_select(0, keep))
        return kept


class _Block(nn.Module):
    def __init__(self, dim: int, model: Model) -> None:
        super().__init__()
        self.n_heads, self.dropout_rate = model.n_heads, model.dropout
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.to_query_key_value = nn.Linear(dim, 3 * dim)
        self.to_output = nn.Linear(dim, dim)
        self.network = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """hidden[B, L, D] to the same shape."""
        b, n, dim = hidden.shape
        projected = self.to_query_key_value(self.norms[0](hidden))
        heads = projected.view(b, n, 3, self.n_heads, dim // self.n_heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(
            *heads, dropout_p=self.dropout_rate if self.training else 0.0, is_causal=True
        )
        mixed = self.to_output(attended.transpose(1, 2).reshape(b, n, dim))
        hidden = hidden + self.dropout(mixed)
        refined: torch.Tensor = hidden + self.dropout(self.network(self.norms[1](hidden)))
        return refined


def build(model: Model, dataset: Dataset) -> Transformer:
    """The encoder at the task's size: what is read is what is told."""
    return Transformer(dataset.n_classes, model)
