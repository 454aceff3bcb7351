"""Naive formulas of the losses that factorise the probability, written from the theory alone."""

import torch

from profiler.losses.testing import Batch, Row


def hierarchical_softmax(batch: Batch) -> torch.Tensor:
    """Class by class up the layer's own tree; that it is the right tree is tested on its own."""
    weight, bias = batch.parameters["node_rows.weight"], batch.parameters["node_bias_rows.weight"]
    class_vertex = batch.buffers["class_vertex"].tolist()
    node_vertex = sorted(set(range(2 * len(class_vertex) - 1)) - set(class_vertex))
    losses = []
    for hidden, y in zip(batch.hidden, batch.target.tolist(), strict=True):
        log_prob, vertex = torch.zeros((), dtype=hidden.dtype), class_vertex[y]
        while vertex:  # 2 i + 1 is left of node i, 2 i + 2 right
            node, is_right = divmod(vertex - 1, 2)
            z = hidden @ weight[node] + bias[node, 0]
            log_prob = log_prob + torch.sigmoid(-z if is_right else z).log()
            vertex = node_vertex[node]
        losses.append(-log_prob)
    return torch.stack(losses)


def adaptive_softmax(batch: Batch) -> torch.Tensor:
    n_classes, hidden = len(batch.class_counts), batch.hidden
    cutoffs = [max(1, round(0.02 * n_classes)), round(0.2 * n_classes), n_classes]
    falling = sorted(range(n_classes), key=lambda c: (-int(batch.class_counts[c]), c))
    rank = {c: place for place, c in enumerate(falling)}
    named = {name.removeprefix("adaptive."): p for name, p in batch.parameters.items()}
    head = torch.softmax(hidden @ named["head.weight"].t() + named["head.bias"], 1)
    losses = []
    for b, y in enumerate(batch.target.tolist()):
        if rank[y] < cutoffs[0]:
            losses.append(-head[b, rank[y]].log())
            continue
        i = sum(rank[y] >= cutoff for cutoff in cutoffs) - 1
        narrow = named[f"tail.{i}.0.weight"] @ hidden[b]
        inside = torch.softmax(named[f"tail.{i}.1.weight"] @ narrow, 0)
        losses.append(-head[b, cutoffs[0] + i].log() - inside[rank[y] - cutoffs[i]].log())
    return torch.stack(losses)


ROWS = (
    Row(
        "hierarchical_softmax",
        "hierarchical_softmax",
        hierarchical_softmax,
        {"tree": "huffman"},
    ),
    Row(
        "hierarchical_softmax-balanced",
        "hierarchical_softmax",
        hierarchical_softmax,
        {"tree": "balanced"},
    ),
    # Tests have few features: clusters of more than one dimension only where they narrow slowly.
    Row("adaptive_softmax", "adaptive_softmax", adaptive_softmax, {"div_value": 1.5}),
)
