"""Output layers by name: `build` makes one, `source_path` names its file; torch comes with `build`.

One file per loss, each importing torch and nothing of ours, so that users may take the file. An
installed package adds a layer to its card by an entry point `name = "package.module:Class"` in the
group `softmax_advisor.layers`; `profiler.losses.testing` proves it.
"""

import importlib
import importlib.util
import inspect
import pkgutil
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.catalogue import LAYERS, installed, known_loss, loaded
from advisor.errors import LossPackageError, UnknownLossError

if TYPE_CHECKING:
    import torch
    from torch import nn

    Counts = torch.Tensor | None

PROPOSAL_SETTINGS = ("popularity_power", "pool_size")


def names() -> list[str]:
    """The losses that have a layer, sorted: the files of this folder, and what is installed."""
    here = [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]
    return sorted({*here, *installed(LAYERS)})


def source_path(name: str) -> Path:
    """The file of a layer; raises UnknownLossError that lists the names there are."""
    if name not in names():
        raise UnknownLossError(f"no layer for loss {name!r}; there are {', '.join(names())}")
    entry = installed(LAYERS).get(name)
    return Path(__file__).with_name(f"{name}.py") if entry is None else _file_of(entry)


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
    optimiser; a `proposal` is given by name, with what draws it (`popularity_power`, `pool_size`).
    `class_counts`[C], the training counts, and `generator`, which draws the negatives, go to the
    layers and proposals that need them. Raises UnknownLossError, and ValueError for a setting
    that the loss does not have, a proposal that it does not know, and settings that make no sense.
    """
    source_path(name)
    layer = _layer(name)
    takes = [*inspect.signature(layer).parameters][2:]
    given = {"class_counts": class_counts, "generator": generator}
    of_proposal = _of_proposal(name) if "proposal" in takes else []
    known = [*(parameter for parameter in takes if parameter not in given), *of_proposal]
    if unknown := sorted(set(settings) - set(known)):
        raise ValueError(f"{name} has no setting {unknown[0]!r}; it has {', '.join(known)}")
    if "proposal" in takes:
        drawing = {key: settings.pop(key) for key in of_proposal if key in settings}
        chosen = settings.get("proposal", "uniform")
        settings["proposal"] = _proposal(name, chosen, n_classes, class_counts, drawing)
    settings |= {key: value for key, value in given.items() if key in takes}
    return layer(in_features, n_classes, bias=bias, **settings)


def _layer(name: str) -> Any:
    """The class of a layer."""
    entry = installed(LAYERS).get(name)
    if entry is None:
        return getattr(importlib.import_module(f"profiler.losses.{name}"), _class_name(name))
    known_loss(name)  # a layer without a card is an error
    layer = loaded(entry)
    if not inspect.isclass(layer):
        raise LossPackageError(f"{entry.group}: {name} = {entry.value!r} must name a class")
    return layer


def _file_of(entry: EntryPoint) -> Path:
    """The file of an installed layer, which is not imported for that, though its package is."""
    try:
        spec = importlib.util.find_spec(entry.module)
    except ImportError as error:
        raise LossPackageError(f"{entry.group}: {entry.value!r}: {error}") from error
    if spec is None or spec.origin is None:
        raise LossPackageError(f"{entry.group}: there is no module {entry.module!r}")
    return Path(spec.origin)


def _of_proposal(name: str) -> list[str]:
    """The settings of a loss that belong to its proposal."""
    return [s.name for s in known_loss(name).card.settings if s.name in PROPOSAL_SETTINGS]


def _proposal(
    name: str, chosen: str, n_classes: int, class_counts: "Counts", drawing: dict[str, Any]
) -> Any:
    (setting,) = (s for s in known_loss(name).card.settings if s.name == "proposal")
    allowed = [str(value) for value in setting.allowed or ()]
    if chosen not in allowed:
        raise ValueError(f"{name}: unknown proposal {chosen!r}; allowed are {', '.join(allowed)}")
    # By name, as the import graph of the service must not lead to torch.
    proposals = importlib.import_module("profiler.proposals")
    return proposals.build_proposal(chosen, n_classes, class_counts=class_counts, **drawing)


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
