"""Output layers by name: `build` makes one, `source_path` names its file; torch comes with `build`.

One file per loss, each importing torch and nothing of ours, so that users may take the file.
"""

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.errors import UnknownLossError

if TYPE_CHECKING:
    import torch
    from torch import nn

    Counts = torch.Tensor | None


def names() -> list[str]:
    """The losses that have a layer, sorted: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def source_path(name: str) -> Path:
    """The file of a layer; raises UnknownLossError that lists the names there are."""
    if name not in names():
        raise UnknownLossError(f"no layer for loss {name!r}; there are {', '.join(names())}")
    return Path(__file__).with_name(f"{name}.py")


def build(
    name: str,
    in_features: int,
    n_classes: int,
    *,
    bias: bool = True,
    class_counts: "Counts" = None,
    generator: "torch.Generator | None" = None,
    **settings: Any,
) -> "nn.Module":
    """An output layer by name.

    `settings` are the card's without learning_rate and weight_decay, which belong to the
    optimiser; a `proposal` is given by name, with `popularity_power` and `class_counts`[C], the
    training counts, where it needs them. `generator` draws the negatives of sampled losses.
    Raises UnknownLossError, and ValueError for a setting that the loss does not have.
    """
    source_path(name)
    layer = getattr(importlib.import_module(f"profiler.losses.{name}"), _class_name(name))
    known = [*inspect.signature(layer).parameters][2:]
    if "proposal" in known:
        known.append("popularity_power")
    if unknown := sorted(set(settings) - set(known)):
        raise ValueError(f"{name} has no setting {unknown[0]!r}; it has {', '.join(known)}")
    if "proposal" in known:
        # By name, as the import graph of the service must not lead to torch.
        proposals = importlib.import_module("profiler.proposals")
        settings["proposal"] = proposals.build_proposal(
            settings.get("proposal", "uniform"),
            n_classes,
            class_counts=class_counts,
            power=settings.pop("popularity_power", 1.0),
        )
        settings["generator"] = generator
    return layer(in_features, n_classes, bias=bias, **settings)


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
