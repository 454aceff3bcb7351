"""The log q correction: what scores that were trained by draws follow, on Zipf classes."""

import torch

from profiler.losses import build
from profiler.optimiser import optimisers

N_CLASSES = 30
N_STEPS = 1000


def _trained_scores(
    correction: str, counts: torch.Tensor, popularity: torch.Tensor
) -> torch.Tensor:
    torch.manual_seed(0)
    layer = build(
        "sampled_softmax",
        1,
        N_CLASSES,
        class_counts=popularity,
        generator=torch.Generator().manual_seed(0),
        n_negatives=20,
        proposal="popularity",
        correction=correction,
    )
    target = torch.repeat_interleave(torch.arange(N_CLASSES), counts)
    hidden = torch.zeros(len(target), 1)
    average = torch.zeros(N_CLASSES)
    stepping = optimisers([layer], 0.03, 0.0)
    for step in range(N_STEPS):
        layer.zero_grad()
        layer(hidden, target).backward()
        for optimiser in stepping:
            optimiser.step()
        if step >= N_STEPS // 2:
            average += layer.bias_rows.weight.detach()[:, 0]
    return average


def _correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack((one.double(), other.double())))[0, 1])


def test_corrected_scores_follow_p_and_uncorrected_p_over_q() -> None:
    zipf = 120 / torch.arange(1, N_CLASSES + 1)
    order = torch.randperm(N_CLASSES, generator=torch.Generator().manual_seed(3))
    counts, popularity = zipf[order].long().clamp_min(1), zipf.long().clamp_min(1)
    log_p = (counts / counts.sum()).log()
    log_ratio = log_p - (popularity / popularity.sum()).log()
    corrected = _trained_scores("both", counts, popularity)
    uncorrected = _trained_scores("none", counts, popularity)
    assert _correlation(corrected, log_p) > 0.99
    assert _correlation(uncorrected, log_ratio) > 0.99
    assert _correlation(corrected, log_ratio) < 0.9
    assert _correlation(uncorrected, log_p) < 0.9
