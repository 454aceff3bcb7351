"""A trial's whole state: what is saved and continued, bitwise the same as never paused (CPU).

Trials are paired: with one seed every candidate sees the same data order and starts from the same
encoder. The data order is a function of seed and epoch alone, so it needs no saving.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from advisor.evidence import Trial
from advisor.task import Task
from profiler.dataset import Dataset, Inputs, Target
from profiler.encoders import build_encoder
from profiler.losses import build
from profiler.optimiser import optimisers

_TRAINING_SETTINGS = ("learning_rate", "weight_decay")


class TrialState:
    """Encoder, output layer, optimisers and random state of one trial, and its example count."""

    def __init__(self, task: Task, dataset: Dataset, trial: Trial) -> None:
        settings = dict(trial.candidate.settings)
        learning_rate, weight_decay = (float(settings.pop(s)) for s in _TRAINING_SETTINGS)
        self._dataset, self._seed = dataset, trial.seed
        self._batch_size = task.training.batch_size
        self.generator = torch.Generator().manual_seed(trial.seed + 1_000_003)
        torch.manual_seed(trial.seed)
        self.encoder = build_encoder(task, dataset)
        self.layer = build(
            trial.candidate.loss,
            task.model.embedding_dim,
            dataset.n_classes,
            bias=task.model.bias,
            class_counts=torch.from_numpy(dataset.class_counts[:]),
            generator=self.generator,
            **settings,
        )
        self._dtype: torch.dtype = getattr(torch, task.training.dtype)
        modules = torch.nn.ModuleList([self.encoder, self.layer]).to(self._dtype)
        self._modules = modules
        self._optimisers = optimisers(modules, learning_rate, weight_decay, task.training.optimiser)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)
        self.examples = 0

    def step(self) -> torch.Tensor:
        """One training step on the next batch; returns its loss, detached."""
        inputs, target = self._dataset.training(self._next_batch())
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss = self.layer(self.encoder(*self._tensors(inputs)), _target(target))
        loss.backward()
        for optimiser in self._optimisers:
            optimiser.step()
        self.examples += self._batch_size
        return loss.detach()

    def hidden(self, inputs: Inputs) -> torch.Tensor:
        """Hidden vectors [R, D] of the encoder's inputs."""
        self.encoder.eval()
        hidden: torch.Tensor = self.encoder(*self._tensors(inputs))
        self.encoder.train()
        return hidden

    @contextmanager
    def scoring_in_float32(self) -> Iterator[None]:
        """Within, the output layer takes hidden vectors and gives scores in float32.

        Of scores rounded to bfloat16 many would tie, and a tie counts against the positive. No
        parameter changes: every bfloat16 is a float32.
        """
        self.layer.float()
        try:
            yield
        finally:
            self.layer.to(self._dtype)

    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        """Raw scores [R, C] over the full catalogue."""
        scores: torch.Tensor = self.layer.scores(hidden)  # pyright: ignore[reportCallIssue]  # a Module says nothing of its methods
        return scores

    def log_prob(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [R, C]; NotImplementedError where the loss has none."""
        found: torch.Tensor = self.layer.log_prob(hidden)  # pyright: ignore[reportCallIssue]
        return found

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """Training counts [C]."""
        return self._dataset.class_counts

    def is_finite(self) -> bool:
        """Whether every parameter is finite."""
        return all(bool(torch.isfinite(p).all()) for p in self._modules.parameters())

    def save(self, path: Path) -> None:
        """Write atomically; tensors and plain numbers only, so it loads with weights_only."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        state = {
            "modules": self._modules.state_dict(),
            "optimisers": [o.state_dict() for o in self._optimisers],
            "generator": self.generator.get_state(),
            "dropout": torch.get_rng_state(),  # what else a step draws comes from torch's own
            "examples": self.examples,
        }
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Continue from a saved state of the same trial."""
        state = torch.load(path, weights_only=True)
        self._modules.load_state_dict(state["modules"])
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["dropout"])
        self.examples = state["examples"]

    def _next_batch(self) -> NDArray[np.int64]:
        """The next batch's examples: shuffled epochs, one after the other without gaps."""
        n, parts, start = self._dataset.n_examples, [], self.examples
        end = start + self._batch_size
        while start < end:
            epoch, offset = divmod(start, n)
            piece = self._epoch_order(epoch)[offset : offset + end - start]
            parts.append(piece)
            start += len(piece)
        chosen: NDArray[np.int64] = torch.cat(parts).numpy()
        return chosen

    def _epoch_order(self, epoch: int) -> torch.Tensor:
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self._seed * 1_000_033 + epoch)
            self._order = torch.randperm(self._dataset.n_examples, generator=generator)
            self._epoch = epoch
        return self._order

    def _tensors(self, inputs: Inputs) -> list[torch.Tensor]:
        """The inputs as the encoder reads them: numbers in its dtype, indices as int64."""
        tensors = [_tensor(array) for array in inputs]
        return [t.to(self._dtype) if t.is_floating_point() else t for t in tensors]


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """The array as it is; whole numbers as int64, which is what indexing takes."""
    tensor = torch.from_numpy(np.asarray(array))
    return tensor if tensor.is_floating_point() else tensor.long()


def _target(target: Target) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    if isinstance(target, tuple):
        return _tensor(target[0]), _tensor(target[1])
    return _tensor(target)
