"""Optimisers of a trial: Adam for dense parameters, a row-wise Adam for sparse ones.

`optimisers(modules, learning_rate, weight_decay)` sorts the parameters; every loss and encoder gets
the same two, so that a sampled loss is never charged for classes it did not touch.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import Optimizer


def optimisers(
    modules: Iterable[nn.Module], learning_rate: float, weight_decay: float
) -> list[Optimizer]:
    """One optimiser for the dense parameters and one for the rows of sparse embeddings."""
    sparse: dict[int, torch.Tensor] = {}
    every: dict[int, torch.Tensor] = {}
    for module in modules:
        every.update((id(p), p) for p in module.parameters())
        sparse.update(
            (id(m.weight), m.weight)
            for m in module.modules()
            if isinstance(m, (nn.Embedding, nn.EmbeddingBag)) and m.sparse
        )
    dense = [p for key, p in every.items() if key not in sparse]
    found: list[Optimizer] = []
    if dense:
        fused = all(p.device.type in ("cpu", "cuda") for p in dense)
        found.append(torch.optim.Adam(dense, learning_rate, weight_decay=weight_decay, fused=fused))
    if sparse:
        found.append(RowAdam(sparse.values(), learning_rate, weight_decay=weight_decay))
    return found


class RowAdam(Optimizer):
    """Adam on the rows that have a gradient: O(touched rows x D) a step, never O(C x D).

    Like torch's SparseAdam (lazy moments: an untouched row keeps its own, the step count is
    common), with an L2 term on the touched rows: where every row is touched at every step it
    equals `torch.optim.Adam(weight_decay=...)`. Deterministic on CPU.

    State of a parameter [C, D]: `step`, and `rows` [C, 3, D], which holds per class its weights,
    first and second moment side by side, so that a step goes to one place in memory a class
    instead of three; from the first step on the parameter itself is the view `rows[:, 0]`. Saved
    in one file with its module, the block is written once; a module saved alone takes the block
    with it, unless its weights are cloned. A loaded `rows` becomes the optimiser's own, as every
    loaded state does in torch, and takes the parameter in: load a copy of a state in use.

    Source: Kingma & Ba 2015, algorithm 1; lazy form as in TensorFlow's LazyAdam and
    `torch.optim.SparseAdam`.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        *,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        if not (lr >= 0 and weight_decay >= 0):
            raise ValueError(f"lr={lr}, weight_decay={weight_decay}; both must be at least 0")
        defaults = {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": eps}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update the rows with a gradient; closures are not supported."""
        if closure is not None:
            raise ValueError("RowAdam takes no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        gradient = parameter.grad
        if gradient is None or not gradient.is_sparse:
            raise ValueError("RowAdam needs sparse gradients; use torch.optim.Adam for dense ones")
        state = self.state[parameter]
        _house(parameter, state)
        weights, average, average_sq = state["rows"].unbind(1)
        state["step"] += 1
        gradient = gradient.coalesce()
        rows, g = gradient.indices()[0], gradient.values()
        old = weights.index_select(0, rows)
        if group["weight_decay"]:
            g = g.add(old, alpha=group["weight_decay"])
        beta1, beta2 = group["betas"]
        first = average.index_select(0, rows).lerp_(g, 1 - beta1)
        second = average_sq.index_select(0, rows).mul_(beta2).addcmul_(g, g, value=1 - beta2)
        average.index_copy_(0, rows, first)
        average_sq.index_copy_(0, rows, second)
        # lr / c1 * first / (sqrt(second / c2) + eps), the root of c2 taken out of the rows
        correction = (1 - beta2 ** state["step"]) ** 0.5
        rate = group["lr"] * correction / (1 - beta1 ** state["step"])
        scale = second.sqrt_().add_(group["eps"] * correction)
        weights.index_copy_(0, rows, old.addcdiv_(first, scale, value=-rate))
        # What was written through the block: autograd must refuse a backward of older values
        torch.autograd.graph.increment_version(parameter)


def _house(parameter: torch.Tensor, state: dict[str, Any]) -> None:
    """Make the parameter a view of its block, unless it is one (not yet, just loaded, moved)."""
    if not state:
        state["step"] = 0
        state["rows"] = parameter.new_zeros(len(parameter), 3, *parameter.shape[1:])
    if parameter.data_ptr() != state["rows"].data_ptr():
        state["rows"] = state["rows"].to(parameter)
        state["rows"][:, 0] = parameter
        parameter.data = state["rows"][:, 0]
