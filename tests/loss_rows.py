"""One row per loss and notable setting: what runs over every row is in `tests/losses`.

`reference(scores[B, C], target[B], drawn, log_q[C]) -> loss[B]` is the naive formula, written
from the theory alone. `drawn` holds the classes that the layer drew, as it drew them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from profiler.losses import build

Reference = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Row:
    """A loss with settings, its naive formula, and whether it looks at every class."""

    id: str
    loss: str
    reference: Reference
    exact: bool
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def draws_per_row(self) -> bool:
        return self.loss == "bpr"


def make_layer(
    row: Row, n_features: int, n_classes: int, *, seed: int = 0, std: float = 0.5, **changed: Any
) -> nn.Module:
    """A float64 layer with random weights and biases, and popularity counts 1, 2, 3 ... C."""
    torch.manual_seed(seed)
    settings = {**row.settings, **changed}
    if "n_negatives" in settings:
        settings["n_negatives"] = min(settings["n_negatives"], n_classes)
    layer = build(
        row.loss,
        n_features,
        n_classes,
        class_counts=torch.arange(1, n_classes + 1),
        generator=torch.Generator().manual_seed(seed),
        **settings,
    ).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=std)
    return layer


def class_parameters(layer: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """The weight[C, D] and bias[C] of a layer of either kind, as leaves and views of leaves."""
    if hasattr(layer, "weight_rows"):
        return layer.weight_rows.weight, layer.bias_rows.weight
    return layer.weight, layer.bias


def redraw(layer: nn.Module, row: Row, n_rows: int, seed: int = 0) -> torch.Tensor:
    """The classes a layer with a fresh generator of this seed draws at its next step."""
    if row.exact:
        return torch.empty(0, dtype=torch.long)
    generator = torch.Generator().manual_seed(seed)
    if row.draws_per_row:
        drawn = layer.proposal.sample(n_rows * layer.n_negatives, generator)
        return drawn.view(layer.n_negatives, n_rows)
    return layer.proposal.sample(layer.n_negatives, generator)


def log_q(layer: nn.Module, row: Row, n_classes: int) -> torch.Tensor:
    """log q of every class under the layer's proposal."""
    if row.exact:
        return torch.empty(0)
    counts = torch.arange(1, n_classes + 1).double()
    if row.settings.get("proposal") != "popularity":
        counts = torch.ones_like(counts)
    mass = counts ** row.settings.get("popularity_power", 1.0)
    return (mass / mass.sum()).log()


def _softmax(s: torch.Tensor, y: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
    top = s.max()
    return (s - top).exp().sum(1).log() + top - s[range(len(y)), y]


def _sparsemax(s: torch.Tensor, y: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
    losses = []
    for scores, target in zip(s, y, strict=True):
        falling = scores.sort(descending=True).values
        sizes = torch.arange(1, len(falling) + 1)
        inside = 1 + sizes * falling > falling.cumsum(0)
        size = int(sizes[inside].max())
        tau = (falling[:size].sum() - 1) / size
        losses.append((falling[:size] ** 2 - tau**2).sum() / 2 + 0.5 - scores[target])
    return torch.stack(losses)


def _rg2(s: torch.Tensor, y: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
    return -s[range(len(y)), y] + s.mean(1) + (s**2).mean(1) / 2


def _sampled_softmax(correction: str) -> Reference:
    def loss(
        s: torch.Tensor, y: torch.Tensor, drawn: torch.Tensor, log_q: torch.Tensor
    ) -> torch.Tensor:
        positive, negative = s[range(len(y)), y], s[:, drawn]
        if correction == "both":
            positive, negative = positive - log_q[y], negative - log_q[drawn]
        if correction == "importance":
            is_other = drawn != y[:, None]
            chance = log_q[drawn].exp() / (1 - log_q[y].exp())[:, None]
            mean = is_other.sum(1, keepdim=True) * chance
            negative = torch.where(is_other, negative - mean.log(), -math.inf)
        joined = torch.cat((positive[:, None], negative), dim=1)
        return _softmax(joined, torch.zeros_like(y))

    return loss


def _negative_sampling(
    s: torch.Tensor, y: torch.Tensor, drawn: torch.Tensor, _: torch.Tensor
) -> torch.Tensor:
    positive = -torch.sigmoid(s[range(len(y)), y]).log()
    return positive - (1 - torch.sigmoid(s[:, drawn])).log().sum(1)


def _bpr(s: torch.Tensor, y: torch.Tensor, drawn: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    rows = range(len(y))
    pairs = [-torch.sigmoid(s[rows, y] - s[rows, negative]).log() for negative in drawn]
    return torch.stack(pairs).mean(0)


_POPULARITY = {"proposal": "popularity"}
_TEN = {"n_negatives": 10}

ROWS = (
    Row("softmax", "softmax", _softmax, exact=True),
    Row("sparsemax", "sparsemax", _sparsemax, exact=True),
    Row("rg2", "rg2", _rg2, exact=True),
    *(
        Row(
            f"sampled_softmax-{correction}".removesuffix("-both"),
            "sampled_softmax",
            _sampled_softmax(correction),
            exact=False,
            settings={**_TEN, **_POPULARITY, "popularity_power": 0.5, "correction": correction},
        )
        for correction in ("both", "importance", "none")
    ),
    Row(
        "sampled_softmax-uniform",
        "sampled_softmax",
        _sampled_softmax("both"),
        exact=False,
        settings=_TEN,
    ),
    Row("negative_sampling", "negative_sampling", _negative_sampling, exact=False, settings=_TEN),
    Row(
        "negative_sampling-popularity",
        "negative_sampling",
        _negative_sampling,
        exact=False,
        settings={**_TEN, **_POPULARITY},
    ),
    Row("bpr", "bpr", _bpr, exact=False),
    Row("bpr-popularity", "bpr", _bpr, exact=False, settings={**_POPULARITY, "n_negatives": 3}),
)
EXACT_ROWS = tuple(row for row in ROWS if row.exact)
SAMPLED_ROWS = tuple(row for row in ROWS if not row.exact)


def row_ids(rows: tuple[Row, ...]) -> list[str]:
    return [row.id for row in rows]
