"""Optimisers of a trial: torch's own for dense parameters, row-wise ones for sparse rows.

`optimisers(modules, learning_rate, weight_decay, name)` sorts the parameters; every loss and
encoder gets the same two, so that a sampled loss is never charged for classes it did not touch.

`weight_decay` is torch's: for Adam, SGD and Adagrad an L2 term, which is added to the gradient and
so is scaled as the gradient is; for AdamW decoupled, a shrinking of the weights by learning rate
times decay. On sparse rows either acts where a row is touched and nowhere else.

State has the dtype of its parameter, as in torch; what is computed of bfloat16 is in float32 until
it is written back.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

Gather = Callable[[int], Tensor]
Updates = Iterator[tuple[int, Tensor]]
Group = dict[str, Any]


def optimisers(
    modules: Iterable[nn.Module], learning_rate: float, weight_decay: float, name: str = "adam"
) -> list[Optimizer]:
    """One optimiser for the dense parameters and one for the rows of sparse embeddings.

    `name` is adam, adamw, sgd (without momentum) or adagrad; raises ValueError for another.
    """
    if name not in _KINDS:
        raise ValueError(f"unknown optimiser {name!r}; allowed are {', '.join(_KINDS)}")
    whole, by_row, fused_on = _KINDS[name]
    sparse: dict[int, Tensor] = {}
    every: dict[int, Tensor] = {}
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
        fused = all(p.device.type in fused_on for p in dense) or None
        found.append(whole(dense, learning_rate, weight_decay=weight_decay, fused=fused))
    if sparse:
        found.append(by_row(sparse.values(), learning_rate, weight_decay=weight_decay))
    return found


class RowOptimiser(Optimizer):
    """An optimiser of the rows that have a gradient: O(touched rows x D) a step, never O(C x D).

    Where every row is touched at every step it equals torch's dense one; an untouched row keeps
    its weights and moments, and the step count is common (lazy, as in `torch.optim.SparseAdam`).
    Deterministic on CPU.

    State of a parameter [C, D], if there are moments: `step`, and `rows` [C, 1 + moments, D], which
    holds per class its weights and moments side by side, so that a step goes to one place in memory
    a class instead of several; from the first step on the parameter itself is the view
    `rows[:, 0]`. Saved in one file with its module, the block is written once. A loaded `rows`
    becomes the optimiser's own, as every loaded state does in torch, and takes the parameter in.
    """

    n_moments: ClassVar[int]

    def __init__(
        self, params: Iterable[Tensor], lr: float, *, weight_decay: float = 0.0, **more: Any
    ) -> None:
        if not (lr >= 0 and weight_decay >= 0):
            raise ValueError(f"lr={lr}, weight_decay={weight_decay}; both must be at least 0")
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **more})

    def updated(self, g: Tensor, gather: Gather, step: int, group: Group) -> Updates:
        """Yield what to write of the touched rows, whose gradient is g[T, D]: column and values.

        Column 0 is the weights, then come the moments; `gather(column)` gives the old values. Each
        is gathered and written next to its use, while in the cache: all gathered first and written
        last took up to a fifth longer.
        """
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update the rows with a gradient; a closure is called first, and its loss returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: Group) -> None:
        gradient = parameter.grad
        if gradient is None or not gradient.is_sparse:
            raise ValueError(
                f"{type(self).__name__} needs sparse gradients; use torch.optim for dense ones"
            )
        columns, step = self._columns(parameter)
        gradient = gradient.coalesce()
        rows, g = gradient.indices()[0], gradient.values()
        dtype = torch.promote_types(g.dtype, torch.float32)

        def gather(i: int) -> Tensor:
            return columns[i].index_select(0, rows).to(dtype)

        for i, values in self.updated(g.to(dtype), gather, step, group):
            columns[i].index_copy_(0, rows, values.to(g.dtype))
        # What was written through the block: autograd must refuse a backward of older values
        torch.autograd.graph.increment_version(parameter)

    def _columns(self, parameter: Tensor) -> tuple[Sequence[Tensor], int]:
        """Weights and moments, each [C, D], and the number of this step."""
        if not self.n_moments:
            return (parameter.detach(),), 0
        state = self.state[parameter]
        _house(parameter, state, 1 + self.n_moments)
        state["step"] += 1
        return state["rows"].unbind(1), state["step"]


class RowAdam(RowOptimiser):
    """Adam on the rows with a gradient, with the L2 term of `torch.optim.Adam(weight_decay=...)`.

    Source: Kingma & Ba 2015, algorithm 1; lazy form as in TensorFlow's LazyAdam and
    `torch.optim.SparseAdam`.
    """

    n_moments = 2

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        *,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, lr, weight_decay=weight_decay, betas=betas, eps=eps)

    def updated(self, g: Tensor, gather: Gather, step: int, group: Group) -> Updates:
        """The step of Adam."""
        g, old = self._decayed(g, gather(0), group)
        beta1, beta2 = group["betas"]
        average = gather(1).lerp_(g, 1 - beta1)
        average_sq = gather(2).mul_(beta2).addcmul_(g, g, value=1 - beta2)
        yield 1, average
        yield 2, average_sq
        # lr / c1 * average / (sqrt(average_sq / c2) + eps), the root of c2 taken out of the rows
        correction = (1 - beta2**step) ** 0.5
        scale = average_sq.sqrt_().add_(group["eps"] * correction)
        rate = group["lr"] * correction / (1 - beta1**step)
        yield 0, old.addcdiv_(average, scale, value=-rate)

    def _decayed(self, g: Tensor, old: Tensor, group: Group) -> tuple[Tensor, Tensor]:
        return _with_l2(g, old, group), old


class RowAdamW(RowAdam):
    """Adam with decoupled decay: touched rows first shrink by learning rate times weight decay.

    Source: Loshchilov & Hutter 2019; `torch.optim.AdamW`.
    """

    def _decayed(self, g: Tensor, old: Tensor, group: Group) -> tuple[Tensor, Tensor]:
        return g, old.mul_(1 - group["lr"] * group["weight_decay"])


class RowSGD(RowOptimiser):
    """Gradient descent without momentum, with an L2 term on the touched rows; it has no state."""

    n_moments = 0

    def updated(self, g: Tensor, gather: Gather, step: int, group: Group) -> Updates:
        """The step of gradient descent."""
        old = gather(0)
        yield 0, old.add(_with_l2(g, old, group), alpha=-group["lr"])


class RowAdagrad(RowOptimiser):
    """Adagrad on the rows with a gradient, with an L2 term; one accumulator, which starts at 0.

    Source: Duchi, Hazan & Singer 2011; `torch.optim.Adagrad`.
    """

    n_moments = 1

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        *,
        weight_decay: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(params, lr, weight_decay=weight_decay, eps=eps)

    def updated(self, g: Tensor, gather: Gather, step: int, group: Group) -> Updates:
        """The step of Adagrad."""
        old = gather(0)
        g = _with_l2(g, old, group)
        sum_sq = gather(1).addcmul_(g, g)
        yield 1, sum_sq
        yield 0, old.addcdiv_(g, sum_sq.sqrt_().add_(group["eps"]), value=-group["lr"])


# Torch's optimiser, the row-wise one, and where torch's is fused: on CPU fused SGD of torch 2.13
# does not move bfloat16.
_KINDS: dict[str, tuple[Any, type[RowOptimiser], tuple[str, ...]]] = {
    "adam": (torch.optim.Adam, RowAdam, ("cpu", "cuda")),
    "adamw": (torch.optim.AdamW, RowAdamW, ("cpu", "cuda")),
    "sgd": (torch.optim.SGD, RowSGD, ("cuda",)),
    "adagrad": (torch.optim.Adagrad, RowAdagrad, ("cpu",)),
}


def _with_l2(g: Tensor, old: Tensor, group: Group) -> Tensor:
    return g.add(old, alpha=group["weight_decay"]) if group["weight_decay"] else g


def _house(parameter: Tensor, state: dict[str, Any], n_columns: int) -> None:
    """Make the parameter a view of its block, unless it is one (not yet, just loaded, moved)."""
    is_new = not state
    if is_new:
        state["step"] = 0
        state["rows"] = parameter.new_zeros(len(parameter), n_columns, *parameter.shape[1:])
    if parameter.data_ptr() != state["rows"].data_ptr():
        # A copy: a state that was loaded may still be another optimiser's.
        state["rows"] = state["rows"].to(parameter, copy=not is_new)
        state["rows"][:, 0] = parameter
        parameter.data = state["rows"][:, 0]
