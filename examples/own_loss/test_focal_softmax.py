"""What its author runs: the contract of every layer, and the claim of the card."""

import torch
from focal_softmax.layer import FocalSoftmax

from profiler.losses.testing import Batch, Row, parametrize_with_checks


def focal(gamma: float):
    """The naive formula, row by row: loss[B]."""

    def reference(batch: Batch) -> torch.Tensor:
        p = torch.softmax(batch.scores, 1)[range(len(batch.target)), batch.target]
        return -((1 - p) ** gamma) * p.log()

    return reference


ROWS = [
    Row("focal_softmax", "focal_softmax", focal(2.0)),
    Row("focal_softmax-gamma-1", "focal_softmax", focal(1.0), {"gamma": 1.0}),
]


@parametrize_with_checks(ROWS)
def test_it_keeps_the_contract_of_every_layer(check) -> None:
    check()


def test_the_optimum_orders_the_classes_as_p() -> None:
    p = torch.tensor([0.4, 0.3, 0.2, 0.1])
    counts = (10 * p).long()
    layer = FocalSoftmax(1, 4)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.05)
    target = torch.arange(4).repeat_interleave(counts)
    for _ in range(300):
        optimiser.zero_grad()
        layer(torch.zeros(len(target), 1), target).backward()
        optimiser.step()
    scores = layer.scores(torch.zeros(1, 1))[0]
    assert scores.argsort(descending=True).tolist() == [0, 1, 2, 3]
