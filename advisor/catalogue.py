"""The catalogue: the folder `advisor/losses`, and what installed packages add to it.

No list to edit: a package adds a loss by an entry point `name = "package.module"` in the group
`softmax_advisor.cards`, a module like those of the folder; a card that is wrong fails at once.
"""

import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import advisor.losses
from advisor.card import Consistency, KnownLoss, LossCard, Settings
from advisor.errors import LossPackageError, UnknownLossError
from advisor.task import Metric

CARDS, LAYERS = "softmax_advisor.cards", "softmax_advisor.layers"
_OF_EVERY_CARD = ("consistency", "step_flop", "step_bytes")
_OF_TRAINING = {"learning_rate", "weight_decay"}


@cache
def known_losses() -> dict[str, KnownLoss]:
    """Every loss of the catalogue by name, sorted.

    Raises TypeError where a file of ours is not a card, LossPackageError where an installed one is
    not usable.
    """
    found: dict[str, KnownLoss] = {}
    for name in sorted({*_names_here(), *installed(CARDS)}):
        entry = installed(CARDS).get(name)
        module = _module_here(name) if entry is None else _module_of(entry)
        card: LossCard = module.CARD
        found[name] = _known(card, module)
    return found


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """What installed packages add to a group, by the loss's name; raises LossPackageError.

    A name that the catalogue has, or that two packages give, is nobody's.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        other = found.setdefault(entry.name, entry)
        if entry.name in _names_here():
            raise LossPackageError(f"{_where(entry)}: the catalogue has a {entry.name} of its own")
        if other.value != entry.value:
            raise LossPackageError(f"{_where(entry)} and {_where(other)}: uninstall one")
    return found


def card_module(name: str) -> str:
    """The module that a loss's card is in; raises UnknownLossError."""
    known_loss(name)
    entry = installed(CARDS).get(name)
    return f"advisor.losses.{name}" if entry is None else entry.module


def loaded(entry: EntryPoint) -> object:
    """What an entry point names; raises LossPackageError where that cannot be imported."""
    try:
        return entry.load()
    except Exception as error:  # whatever a package of others raises at import
        reason = f"{type(error).__name__}: {error}"
        raise LossPackageError(f"{_where(entry)} cannot be imported: {reason}") from error


def _names_here() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(advisor.losses.__path__)]


def _module_here(name: str) -> ModuleType:
    module = importlib.import_module(f"advisor.losses.{name}")
    card = getattr(module, "CARD", None)
    if not isinstance(card, LossCard) or card.name != name:
        raise TypeError(f"advisor/losses/{name}.py must define CARD with name={name!r}")
    return module


def _module_of(entry: EntryPoint) -> ModuleType:
    module = loaded(entry)
    card = getattr(module, "CARD", None)
    if not isinstance(module, ModuleType) or not isinstance(card, LossCard):
        raise LossPackageError(f"{_where(entry)} must name a module that defines CARD, a LossCard")
    needed = [*_OF_EVERY_CARD, *(["likelihood"] if card.has_probabilities else [])]
    missing = [name for name in needed if not callable(getattr(module, name, None))]
    settings = sorted(_OF_TRAINING - {setting.name for setting in card.settings})
    faults = [
        *([f"CARD.name is {card.name!r}"] if card.name != entry.name else []),
        *([f"it lacks {', '.join(missing)}"] if missing else []),
        *([f"CARD.settings lack {', '.join(settings)}"] if settings else []),
    ]
    if faults:
        raise LossPackageError(f"{_where(entry)}: {'; '.join(faults)}")
    return module


def _where(entry: EntryPoint) -> str:
    package = f"package {entry.dist.name}" if entry.dist else "a package"
    return f"{entry.name} = {entry.value!r} of {package}"


def _known(card: LossCard, module: ModuleType) -> KnownLoss:
    def as_the_card_says(_: Settings) -> bool:
        return card.has_probabilities

    def never(_: Settings) -> None:
        return None

    has_probabilities = getattr(module, "has_probabilities", as_the_card_says)

    def consistency(metric: Metric, settings: Settings) -> Consistency:
        if metric.is_by_order:
            found: Consistency = module.consistency(metric, settings)
            return found
        if metric.needs_probabilities and has_probabilities(settings):
            found = module.likelihood(settings)
            return found
        reason = f"theory says nothing about {card.name} and {metric}"
        if metric.needs_probabilities:
            reason = f"{card.name} gives no probabilities, which {metric} needs"
        return Consistency(status="unknown", reason=reason, source="theory notes 4")

    return KnownLoss(
        card,
        consistency,
        module.step_flop,
        module.step_bytes,
        has_probabilities,
        getattr(module, "refusal", never),
    )


def known_loss(name: str) -> KnownLoss:
    """One loss by name; raises UnknownLossError that lists the names there are."""
    losses = known_losses()
    if name not in losses:
        raise UnknownLossError(f"unknown loss {name!r}; known are {', '.join(losses)}")
    return losses[name]


def catalogue() -> dict[str, LossCard]:
    """The cards of all losses by name."""
    return {name: loss.card for name, loss in known_losses().items()}
