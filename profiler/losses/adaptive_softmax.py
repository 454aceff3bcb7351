"""Adaptive softmax, on torch's own module: one self-contained file, torch only."""

import torch
from torch import nn

Target = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
INIT_STD = 0.01  # of the class weights, the same for every loss


class AdaptiveSoftmax(nn.Module):
    """Softmax in two steps: over the frequent classes and the clusters of the others, then inside.

    Equals `torch.nn.AdaptiveLogSoftmaxWithLoss` (the submodule `adaptive`) on classes sorted by
    falling class_counts[C], the training counts; the caller's ids go in and out. Without
    class_counts the ids must be so sorted already. hidden[B, D], target[B] classes, or for several
    positives per row the CSR pair (indices[L], offsets[B + 1]); i the cluster of the target y:

        loss = -mean_b [ log p_head(y) ]                        y among the frequent classes
        loss = -mean_b [ log p_head(i) + log p_i(y) ]           else

    cutoffs are the ranks at which clusters begin, by default the most frequent 2% and 20% of the
    classes. Cluster i = 1, 2 ... sees hidden in D / div_value^i dimensions; where the last would
    have less than one, div_value is lowered until it has one. `bias` is of the head alone.

    With positives_weight "each" every positive counts as one example; with "mean" as 1/|r| of
    its row's |r| positives.

    Cost: O(B D c + sum_i B_i D_i (D + N_i)) time for c frequent classes and clusters, where B_i
    rows have their target in cluster i, of N_i classes; the gradients are dense.
    Numerical contract: sums in the dtype of hidden; scores of +-1e4 stay finite.

    Raises ValueError: a size below its minimum, cutoffs or counts that do not fit the classes,
    target out of range, hidden not finite.

    Source: Grave et al. 2017, "Efficient softmax approximation for GPUs".

    >>> layer = AdaptiveSoftmax(2, 4)  # one frequent class, a cluster of three
    >>> for parameter in layer.parameters():
    ...     _ = nn.init.zeros_(parameter)
    >>> loss = layer(torch.tensor([[1.0, 2.0]]), torch.tensor([2]))
    >>> round(loss.item(), 4)  # log 2 + log 3
    1.7918
    """

    class_rank: torch.Tensor  # [C], 0 for the most frequent class; saved in the state_dict

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        *,
        bias: bool = True,
        div_value: float = 4.0,
        cutoffs: tuple[int, ...] | None = None,
        class_counts: torch.Tensor | None = None,
        positives_weight: str = "each",
    ) -> None:
        super().__init__()
        if in_features < 1 or n_classes < 2:
            raise ValueError(
                f"in_features={in_features}, n_classes={n_classes}; at least 1 and 2 are allowed"
            )
        if positives_weight not in ("each", "mean"):
            raise ValueError(f"positives_weight={positives_weight!r}; allowed are 'each', 'mean'")
        if not div_value >= 1:
            raise ValueError(f"div_value={div_value}; at least 1 is allowed")
        self.n_classes = n_classes
        self.positives_weight = positives_weight
        cutoffs = _default_cutoffs(n_classes) if cutoffs is None else cutoffs
        if not cutoffs or sorted({0, *cutoffs, n_classes}) != [0, *cutoffs, n_classes]:
            raise ValueError(f"cutoffs={cutoffs}; they must rise from 1 to {n_classes - 1} at most")
        # D / div^i >= 1 in the last of i clusters; less a rounding, so that it is not below
        most = in_features ** (1 / len(cutoffs)) * (1 - 1e-12)
        self.adaptive = nn.AdaptiveLogSoftmaxWithLoss(
            in_features, n_classes, [*cutoffs], min(div_value, most), head_bias=bias
        )
        for name, parameter in self.adaptive.named_parameters():
            if name == "head.bias":
                nn.init.zeros_(parameter)
            elif name.endswith(("head.weight", ".1.weight")):  # of classes; .0 is a projection
                nn.init.normal_(parameter, std=INIT_STD)
        self.register_buffer("class_rank", _ranks(class_counts, n_classes))

    def forward(self, hidden: torch.Tensor, target: Target) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""
        hidden, classes, row_weight = _examples(
            hidden, target, self.n_classes, self.positives_weight
        )
        log_prob: torch.Tensor = self.adaptive(hidden, self.class_rank[classes]).output
        return -(row_weight * log_prob).sum()

    def scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """The log-probability of every class, [B, C], by the caller's ids."""
        return self.adaptive.log_prob(hidden).index_select(1, self.class_rank)

    def log_prob(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities, [B, C]."""
        return self.scores(hidden)


def _default_cutoffs(n_classes: int) -> tuple[int, ...]:
    first = max(1, round(0.02 * n_classes))
    return first, *(cutoff for cutoff in (round(0.2 * n_classes),) if cutoff > first)


def _ranks(class_counts: torch.Tensor | None, n_classes: int) -> torch.Tensor:
    """The place of each class among the falling counts; of equal ones the smaller id first."""
    if class_counts is None:
        return torch.arange(n_classes)
    if class_counts.shape != (n_classes,) or not bool((class_counts >= 0).all()):
        raise ValueError(
            f"class_counts {tuple(class_counts.shape)} must hold a count >= 0 for each of the "
            f"{n_classes} classes"
        )
    return class_counts.argsort(descending=True, stable=True).argsort()


def _examples(
    hidden: torch.Tensor, target: Target, n_classes: int, positives_weight: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One row per positive: hidden[E, D], class[E], and weight[E] that sums to 1."""
    if hidden.ndim != 2 or not hidden.is_floating_point():
        shape = f"{tuple(hidden.shape)} of {hidden.dtype}"
        raise ValueError(f"hidden is {shape}; a floating-point matrix [B, D] is allowed")
    # Of finite numbers the sum alone is asked, at a tenth of the time; it may overflow
    if not (torch.isfinite(hidden.sum()) or torch.isfinite(hidden).all()):
        raise ValueError("hidden must be finite; it holds NaN or infinity")
    classes, weight = target, None
    if isinstance(classes, (tuple, list)):
        classes, offsets = classes
        counts = offsets.diff()
        is_whole = not (offsets.is_floating_point() or offsets.is_complex())
        fits = is_whole and len(offsets) == len(hidden) + 1
        if not fits or (counts < 0).any() or int(offsets[0]) != 0:
            raise ValueError(f"offsets must rise from 0 and hold {len(hidden)} + 1 whole numbers")
        if int(offsets[-1]) != len(classes):
            raise ValueError(f"offsets end at {int(offsets[-1])}, there are {len(classes)} indices")
        rows = torch.repeat_interleave(torch.arange(len(hidden), device=hidden.device), counts)
        hidden = hidden.index_select(0, rows)
        if positives_weight == "mean":
            weight = counts.to(hidden.dtype).reciprocal().index_select(0, rows)
    if classes.dtype != torch.long:
        raise ValueError(f"target must be torch.long, it is {classes.dtype}")
    if classes.ndim != 1 or len(classes) != len(hidden) or len(classes) == 0:
        raise ValueError(f"target {tuple(classes.shape)} must hold one class per row, at least one")
    low, high = (int(bound) for bound in classes.aminmax())
    if low < 0 or high >= n_classes:
        raise ValueError(f"target holds classes {low} to {high}; allowed are 0 to {n_classes - 1}")
    if weight is None:
        weight = torch.ones_like(hidden[:, 0])
    return hidden, classes, weight / weight.sum()
