"""Network: encoder, output layer and optimisers of one classifier; trained batch by batch, pickled
as one block of tensors.
"""

import copy
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from advisor.task import Model, SettingValue
from profiler.encoders import mlp
from profiler.encoders.given import Given
from profiler.encoders.linear import Linear
from profiler.encoders.mlp import Mlp
from profiler.estimator.rows import Inputs
from profiler.losses import build
from profiler.optimiser import optimisers
from profiler.workspace import step_threads


@dataclass(frozen=True)
class Plan:
    """All that a network is made from; `seen`[F] says which features of sparse rows are there."""

    loss: str
    settings: dict[str, SettingValue]
    """The layer's, with learning_rate and weight_decay."""
    encoder: str
    model: Model
    optimiser: str
    batch_size: int
    n_features: int
    seen: NDArray[np.bool_] | None
    """None for dense rows."""
    class_counts: NDArray[np.float64]
    seed: int

    @property
    def n_classes(self) -> int:
        return len(self.class_counts)


class Network:
    """One classifier as it stands. It draws nothing from, and leaves nothing in, torch's own
    generator, whose place its own takes while it is made and trained.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._random = torch.Generator().manual_seed(plan.seed).get_state()
        self._generator = torch.Generator().manual_seed(plan.seed + 1)  # of the negatives
        settings = dict(plan.settings)
        learning_rate, weight_decay = (settings.pop(s) for s in ("learning_rate", "weight_decay"))
        with self._drawing():
            self.encoder = _encoder(plan)
            self.layer = build(
                plan.loss,
                plan.model.embedding_dim,
                plan.n_classes,
                bias=plan.model.bias,
                class_counts=torch.from_numpy(plan.class_counts),
                generator=self._generator,
                **settings,
            )
        self._modules = nn.ModuleList([self.encoder, self.layer])
        self._optimisers = optimisers(
            self._modules, float(learning_rate), float(weight_decay), plan.optimiser
        )

    def train(self, batches: Iterator[tuple[Inputs, NDArray[np.integer]]]) -> float:
        """One step a batch, (inputs, classes[B]) each; the mean loss of an example.

        Raises ValueError when a parameter is not finite any more.
        """
        total, n_rows = 0.0, 0
        with self._drawing(), self._few_threads():
            self._modules.train()
            for inputs, classes in batches:
                total += len(classes) * self._step(inputs, classes)
                n_rows += len(classes)
        return total / n_rows

    def scores(self, inputs: Inputs) -> NDArray[np.floating]:
        """[B, C], in the dtype of the inputs."""
        return self._of_hidden(inputs, "scores")

    def log_prob(self, inputs: Inputs) -> NDArray[np.floating]:
        """[B, C], in the dtype of the inputs."""
        return self._of_hidden(inputs, "log_prob")

    def parameters(self) -> list[torch.Tensor]:
        """A copy of all parameters and buffers, to be brought back by `restore`."""
        return [t.detach().clone() for t in self._modules.state_dict().values()]

    def restore(self, parameters: list[torch.Tensor]) -> None:
        """Take over what `parameters` copied; the optimisers' moments stay."""
        with torch.no_grad():
            for mine, kept in zip(self._modules.state_dict().values(), parameters, strict=True):
                mine.copy_(kept)

    def __getstate__(self) -> dict[str, Any]:
        # By torch.save, as a parameter and its moments may be views of one block.
        block = io.BytesIO()
        state = {
            "modules": self._modules.state_dict(),
            "optimisers": [o.state_dict() for o in self._optimisers],
            "random": self._random,
            "generator": self._generator.get_state(),
        }
        torch.save(state, block)
        return {"plan": self.plan, "state": block.getvalue()}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__init__(saved["plan"])
        state = torch.load(io.BytesIO(saved["state"]), weights_only=True)
        self._modules.load_state_dict(state["modules"])
        for optimiser, of_it in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(of_it)
        self._random = state["random"]
        self._generator.set_state(state["generator"])

    def _step(self, inputs: Inputs, classes: NDArray[np.integer]) -> float:
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        hidden = self.encoder(*map(torch.from_numpy, inputs))
        try:
            loss = self.layer(hidden, torch.from_numpy(classes))
        except ValueError as error:
            if torch.isfinite(hidden).all():
                raise
            raise _diverged(self.plan) from error
        loss.backward()
        for optimiser in self._optimisers:
            optimiser.step()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise _diverged(self.plan)
        return value

    def _of_hidden(self, inputs: Inputs, method: str) -> NDArray[np.floating]:
        encoder, layer = self.encoder, self.layer
        if inputs[-1].dtype == np.float64:
            # A class of float64 rows must not depend on the rows beside it; in float32 the last
            # digits of a matrix product do.
            encoder, layer = (copy.deepcopy(module).double() for module in (encoder, layer))
        encoder.eval()
        with torch.no_grad(), self._few_threads():
            hidden = encoder(*map(torch.from_numpy, inputs))
            return getattr(layer, method)(hidden).numpy()

    @contextmanager
    def _few_threads(self) -> Iterator[None]:
        """Within, as many threads as a step of this size is faster with."""
        plan, before = self.plan, torch.get_num_threads()
        dim = plan.model.embedding_dim
        torch.set_num_threads(step_threads(plan.batch_size, plan.n_classes, dim, before))
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Within, torch's own generator goes on from where this network's last stopped."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            yield
            self._random = torch.get_rng_state()


def _encoder(plan: Plan) -> nn.Module:
    if plan.encoder == "given":
        return Given()
    is_sparse = plan.seen is not None
    if plan.encoder == "linear":
        first = Linear(plan.n_features, plan.model.embedding_dim, is_sparse=is_sparse)
    else:
        first = Linear(
            plan.n_features,
            plan.model.hidden_units,
            is_sparse=is_sparse,
            sparse_init_std=mlp.SPARSE_INIT_STD,
        )
    if plan.seen is not None:
        # What training does not have must not add noise afterwards: its rows stay as they are.
        with torch.no_grad():
            first.features.weight[torch.from_numpy(~plan.seen)] = 0.0
    return first if plan.encoder == "linear" else Mlp(first, plan.model)


def _diverged(plan: Plan) -> ValueError:
    rate = plan.settings["learning_rate"]
    return ValueError(f"training with {plan.loss} diverged; try a learning_rate below {rate:g}")
