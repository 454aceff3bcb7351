"""Peak bytes of one training step of an output layer, measured in a process of its own."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from advisor.card import StepShape
from profiler.isolation import in_child
from profiler.losses import build
from profiler.optimiser import optimisers


def peak_bytes(loss: str, shape: StepShape, settings: dict[str, Any] | None = None) -> int:
    """Peak resident bytes over the level before the layer exists (Linux)."""
    arguments = {"loss": loss, "shape": shape, "settings": settings or {}}
    (peak,) = in_child("tests.peak_memory:measure", arguments, time_limit_seconds=120)
    return peak


def measure(loss: str, shape: StepShape, settings: dict[str, Any]) -> Iterator[int]:
    """In the child: a small step first, for what libraries allocate once, then the step."""
    torch.set_num_threads(1)
    few = shape.model_copy(update={"batch_size": 8, "n_classes": shape.n_classes // 40})
    _step(loss, few, settings)
    before = _status_bytes("VmRSS")
    _step(loss, shape, settings)
    yield _status_bytes("VmHWM") - before


def _step(loss: str, shape: StepShape, settings: dict[str, Any]) -> None:
    counts = torch.ones(shape.n_classes, dtype=torch.long)
    layer = build(loss, shape.embedding_dim, shape.n_classes, class_counts=counts, **settings)
    (optimiser,) = optimisers([layer], 1e-3, 0.0)
    hidden = torch.randn(shape.batch_size, shape.embedding_dim, requires_grad=True)
    layer(hidden, torch.randint(shape.n_classes, (shape.batch_size,))).backward()
    optimiser.step()


def _status_bytes(key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024
